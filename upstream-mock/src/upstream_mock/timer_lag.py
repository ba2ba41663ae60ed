"""How late the mock is: the latency it delivered minus the one it drew."""

import math
from dataclasses import dataclass, field

_GROWTH = math.log(1.05)  # each bucket is 5 % wider than the one before, so a quantile is right to about 2.5 %
_LONGEST_US = 3600e6


def _bucket(late_us: float) -> int:
    # Plus one: from 0 up there is a bucket for every microsecond or so, where a logarithm alone would have no end.
    return int(math.log1p(late_us) / _GROWTH)


def _no_waits() -> list[int]:
    return [0] * (_bucket(_LONGEST_US) + 1)


@dataclass(slots=True)
class TimerLag:
    """Sum, extreme and a histogram over all waits, in milliseconds: about 450 counters, whatever the load.

    A latency of zero is not waited for and not counted.
    """

    count: int = 0
    sum_ms: float = 0.0
    max_ms: float = 0.0
    _buckets: list[int] = field(default_factory=_no_waits)

    def add(self, late_ms: float) -> None:
        """One more wait."""
        self.count += 1
        self.sum_ms += late_ms
        self.max_ms = max(self.max_ms, late_ms)
        self._buckets[_bucket(min(max(late_ms * 1e3, 0.0), _LONGEST_US))] += 1

    def quantile_ms(self, share: float) -> float:
        """The lateness in milliseconds that this share of the waits stays below, to about 2.5 %; 0 of none."""
        rank, seen = share * self.count, 0
        for index, count in enumerate(self._buckets):
            seen += count
            if count and seen >= rank:
                middle_us = math.expm1((index + 0.5) * _GROWTH)
                return min(middle_us / 1e3, self.max_ms)
        return 0.0

    def reset(self) -> None:
        """Start anew."""
        self.count = 0
        self.sum_ms = self.max_ms = 0.0
        self._buckets = _no_waits()

    def as_json(self) -> dict[str, object]:
        """For /-/stats. `histogram` is upper bound in ms to count: two of them tell what was between."""
        return {
            "count": self.count,
            "mean": self.sum_ms / self.count if self.count else 0.0,
            "p50": self.quantile_ms(0.5),
            "p99": self.quantile_ms(0.99),
            "max": self.max_ms,
            "histogram": {
                f"{math.expm1((index + 1) * _GROWTH) / 1e3:.4g}": count
                for index, count in enumerate(self._buckets)
                if count
            },
        }
