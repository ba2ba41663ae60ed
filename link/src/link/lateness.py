"""How late the link itself is: the difference between when something was due and when it left."""

from collections import deque

NEWEST = 4096
"""Samples kept; older ones are forgotten, so that the figure is about now."""


class Lateness:
    """The newest samples, in seconds."""

    def __init__(self) -> None:
        self._samples: deque[float] = deque(maxlen=NEWEST)
        self.add = self._samples.append

    def summary_ms(self) -> dict[str, float | int | None]:
        """Return count, p50 and p99 in milliseconds; None without samples."""
        ordered = sorted(self._samples.copy())
        return {"count": len(ordered), "p50": quantile_ms(ordered, 0.5), "p99": quantile_ms(ordered, 0.99)}


def quantile_ms(ordered: list[float], fraction: float) -> float | None:
    """Return the nearest-rank quantile of ascending seconds, in milliseconds to three decimals."""
    if not ordered:
        return None
    return round(1e3 * ordered[min(len(ordered) - 1, int(len(ordered) * fraction))], 3)
