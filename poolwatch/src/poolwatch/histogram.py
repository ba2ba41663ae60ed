"""Durations by their distribution, in log-linear buckets: 128 to each doubling, as HdrHistogram has them.

Source: G. Tene, HdrHistogram. A bucket is at most 1/128 as wide as its durations and 256 ns are long, so a quantile
that is read at a bucket's upper bound is never below the true one and at most 1 % (or 10 ns) above it. The number of
buckets is fixed, whatever is recorded.
"""

import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_BITS: Final = 7
_DOUBLINGS: Final = 31
_FROM_BITS: Final = 8
_FROM_NS: Final = 1 << _FROM_BITS
"""Added to each duration: the doublings begin here, and those of a few nanoseconds get no doublings of their own."""

FIRST_BUCKET: Final = (127 + _FROM_BITS) << _BITS
"""A bucket's number is the upper half of a duration as a single-precision number (IEEE 754): 8 bits of exponent, 7 of
the fraction. This one is that of `_FROM_NS`."""

BUCKETS: Final = _DOUBLINGS << _BITS
"""From 0 to 549 s; the last one takes what is longer, too."""

_LAST_BUCKET: Final = FIRST_BUCKET + BUCKETS - 1
_UPPER_HALF: Final = 1 if sys.byteorder == "little" else 0


def bucket_of(nanoseconds: int) -> int:
    """Return a duration's bucket; it may not be negative."""
    moved = nanoseconds + _FROM_NS
    doubling = moved.bit_length() - 1
    return min(((doubling + 126) << _BITS) + (moved >> (doubling - _BITS)), _LAST_BUCKET)


def buckets_of(nanoseconds: Sequence[int]) -> list[int]:
    """Return the bucket of each duration, of many in a third of the time that one by one would take.

    A single-precision number keeps 24 bits: a duration less than a 2^24th below a bound may be rounded up to it.
    """
    moved = array("f", [each + _FROM_NS for each in nanoseconds])
    found = memoryview(moved).cast("B").cast("H")[_UPPER_HALF::2].tolist()
    return found if max(found) <= _LAST_BUCKET else [min(each, _LAST_BUCKET) for each in found]


def upper_bound_ms(bucket: int) -> float:
    """Return the bound that all durations of a bucket lie below."""
    doubling, step = divmod(bucket - FIRST_BUCKET, 1 << _BITS)
    return ((((1 << _BITS) + step + 1) << (doubling + _FROM_BITS - _BITS)) - _FROM_NS) / 1e6


BOUNDS_MS: Final = [upper_bound_ms(FIRST_BUCKET + index) for index in range(BUCKETS)]

METRIC_BOUNDS_MS: Final = [round(0.1 * 10 ** (step / 4), 4) for step in range(25)]
"""Four to the decade, 0.1 ms to 100 s: enough for a dashboard."""


DURATION_BOUNDS_SECONDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""OpenTelemetry's advice for `http.client.connection.duration`."""


class Durations:
    """How long the connections to one server lived: `counts` by DURATION_BOUNDS_SECONDS, the last for longer ones."""

    def __init__(self) -> None:
        self.counts = [0] * (len(DURATION_BOUNDS_SECONDS) + 1)
        self.sum_seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.sum_seconds += seconds
        self.counts[sum(seconds > bound for bound in DURATION_BOUNDS_SECONDS)] += 1


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
    """Return what one row of cells holds: a sum in ns, then the buckets."""
    counts = cells[1:]
    shown = {BOUNDS_MS[index]: count for index, count in enumerate(counts) if count}
    return Distribution(sum(shown.values()), cells[0] / 1e6, shown)


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
