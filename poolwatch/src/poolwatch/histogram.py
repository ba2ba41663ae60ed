"""Durations by their distribution: buckets whose bounds grow by the same factor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

BOUNDS_MS: Final = [round(0.1 * 10 ** (step / 20), 4) for step in range(121)]
"""Upper bounds in ms: 20 to the decade, 0.1 ms to 100 s, so a percentile is off by 12 % at the most."""


@dataclass(frozen=True)
class Distribution:
    """Durations: how many, their sum in ms, and counts by upper bound in ms (empty buckets left out)."""

    count: int
    sum_ms: float
    histogram: dict[float, int]

    @property
    def mean_ms(self) -> float | None:
        """The mean, None of nothing."""
        return self.sum_ms / self.count if self.count else None

    def percentile_ms(self, fraction: float) -> float | None:
        """Return the upper bound of the bucket in which a percentile lies, None of nothing."""
        still = fraction * sum(self.histogram.values())
        for bound, count in sorted(self.histogram.items()):
            still -= count
            if still <= 0:
                return bound
        return None


def from_cells(cells: Sequence[int]) -> Distribution:
    """Return what one row of cells holds: a sum in ns, then the buckets. What is above the last bound joins it."""
    counts = list(cells[1:])
    total = sum(counts)
    beyond = counts.pop()
    counts[-1] += beyond
    shown = {bound: count for bound, count in zip(BOUNDS_MS, counts, strict=True) if count}
    return Distribution(total, cells[0] / 1e6, shown)


def cumulative(durations: Distribution, bounds_ms: Sequence[float]) -> list[tuple[str, float]]:
    """Return cumulative counts by upper bound in seconds, as Prometheus has them; `bounds_ms` in rising order."""
    counted = sorted(durations.histogram.items())
    buckets, total, at = [], 0, 0
    for shown in bounds_ms:
        while at < len(counted) and counted[at][0] <= shown:
            total += counted[at][1]
            at += 1
        buckets.append((f"{shown / 1000:g}", float(total)))
    # of the buckets themselves: the count beside them may be one ahead at this moment
    buckets.append(("+Inf", float(sum(count for _, count in counted))))
    return buckets
