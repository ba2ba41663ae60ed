"""How late the link itself is: the difference between when something was due and when it left."""

from bisect import bisect_left
from collections import deque

NEWEST = 4096
"""Samples kept one by one; older ones are forgotten, so that the quantiles are about now."""

BOUNDS = tuple(0.01e-3 * 1.2**step for step in range(80))
"""Upper bounds in seconds of the histogram's buckets, from a hundredth of a millisecond to 18 s, a fifth apart."""


class Lateness:
    """The newest samples, in seconds, and a histogram of all there ever were."""

    def __init__(self) -> None:
        self._samples: deque[float] = deque(maxlen=NEWEST)
        self._counts = [0] * (len(BOUNDS) + 1)

    def add(self, late: float) -> None:
        """One more that left so many seconds late."""
        self._samples.append(late)
        self._counts[bisect_left(BOUNDS, late)] += 1

    def summary_ms(self) -> dict[str, float | int | None]:
        """Return count, p50 and p99 of the newest in milliseconds; None without samples."""
        ordered = sorted(self._samples.copy())
        return {"count": len(ordered), "p50": quantile_ms(ordered, 0.5), "p99": quantile_ms(ordered, 0.99)}

    def histogram_ms(self) -> dict[str, int]:
        """Return upper bound in milliseconds to count, since the start: two of them tell what was between."""
        bounds = (*BOUNDS, BOUNDS[-1] * 1.2)
        return {f"{1e3 * bound:.4g}": count for bound, count in zip(bounds, self._counts, strict=True) if count}


def quantile_ms(ordered: list[float], fraction: float) -> float | None:
    """Return the nearest-rank quantile of ascending seconds, in milliseconds to three decimals."""
    if not ordered:
        return None
    return round(1e3 * ordered[min(len(ordered) - 1, int(len(ordered) * fraction))], 3)
