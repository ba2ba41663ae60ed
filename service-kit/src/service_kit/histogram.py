"""Histograms of times: one that records, and {upper bound in ms: count}, which services report and the lab compares."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence

_GROWTH = math.log(1.05)  # each bucket is 5 % wider than the one before, so a quantile is right to about 2.5 %
_LONGEST_US = 3600e6


def _bound_ms(index: float) -> float:
    # Minus one: from 0 up there is a bucket for about every microsecond, where a logarithm alone would have no end.
    return math.expm1(index * _GROWTH) / 1e3


# Looked up, not calculated: a link records every packet, and a logarithm costs three times as much.
_BOUNDS_MS = tuple(_bound_ms(index + 1) for index in range(int(math.log1p(_LONGEST_US) / _GROWTH)))


class LogHistogram:
    """Count, sum, maximum and buckets of times from 0 to an hour: about 450 counters, whatever the load."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.count = 0
        self.sum_ms = 0.0
        self.max_ms = 0.0
        self._counts = [0] * (len(_BOUNDS_MS) + 1)

    def add(self, ms: float) -> None:
        """Record one time; a negative one counts as 0 in the buckets."""
        self.count += 1
        self.sum_ms += ms
        if ms > self.max_ms:
            self.max_ms = ms
        self._counts[bisect_right(_BOUNDS_MS, ms)] += 1

    def quantile_ms(self, share: float) -> float:
        """Return the time that `share` (0 to 1) of all stay below, to about 2.5 %; 0 of none."""
        rank, seen = share * self.count, 0
        for index, count in enumerate(self._counts):
            seen += count
            if count and seen >= rank:
                return min(_bound_ms(index + 0.5), self.max_ms)
        return 0.0

    def buckets(self) -> dict[str, int]:
        """Return upper bound in ms to count, without empty buckets; see `difference`."""
        return {f"{_bound_ms(index + 1):.4g}": count for index, count in enumerate(self._counts) if count}

    def as_json(self) -> dict[str, object]:
        """Return {count, sum, mean, p50, p99, max, histogram} in milliseconds."""
        return {
            "count": self.count,
            "sum": self.sum_ms,
            "mean": self.sum_ms / self.count if self.count else 0.0,
            "p50": self.quantile_ms(0.5),
            "p99": self.quantile_ms(0.99),
            "max": self.max_ms,
            "histogram": self.buckets(),
        }


def quantile(ascending: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank quantile of values in ascending order; None of none."""
    return ascending[min(len(ascending) - 1, int(len(ascending) * share))] if ascending else None


def parse_buckets(document: object) -> dict[float, int]:
    """Return the buckets of a document's `histogram` as numbers; empty if there are none."""
    buckets = document.get("histogram") if isinstance(document, Mapping) else None
    return {float(bound): int(count) for bound, count in buckets.items()} if isinstance(buckets, Mapping) else {}


def percentile(histogram: Mapping[float, int], share: float) -> float | None:
    """Return the smallest bound at or below which `share` (0 to 1) of all counts lie; None when empty."""
    needed, seen = share * sum(histogram.values()), 0
    for bound in sorted(bound for bound, count in histogram.items() if count):
        seen += histogram[bound]
        if seen >= needed:
            return bound
    return None


def difference(after: Mapping[float, int], before: Mapping[float, int]) -> dict[float, int]:
    """Return what was added between two snapshots of one growing histogram, empty buckets left out.

    Raises ValueError if a bucket shrank: then the counter was reset between them.
    """
    grown = {bound: after.get(bound, 0) - before.get(bound, 0) for bound in {**before, **after}}
    if any(count < 0 for count in grown.values()):
        raise ValueError("a histogram does not shrink: the counter was reset between the two snapshots")
    return {bound: count for bound, count in grown.items() if count}
