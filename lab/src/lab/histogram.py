"""Histograms as plain mappings {upper bound or value in ms: count}: what Locust and the proxy both speak."""

from collections.abc import Mapping


def percentile(histogram: Mapping[float, int], fraction: float) -> float | None:
    """Return the smallest value at or below which `fraction` (0 to 1) of all counts lie; None when empty."""
    total = sum(histogram.values())
    if total == 0:
        return None
    needed = fraction * total
    seen = 0
    value = None
    for value in sorted(histogram):
        seen += histogram[value]
        if seen >= needed and seen > 0:
            return value
    return value


def mean(histogram: Mapping[float, int]) -> float | None:
    """Return the mean of the bucket values weighted by their counts; None when empty."""
    total = sum(histogram.values())
    if total == 0:
        return None
    return sum(value * count for value, count in histogram.items()) / total


def difference(after: Mapping[float, int], before: Mapping[float, int]) -> dict[float, int]:
    """Return what was added between two snapshots of one growing histogram, empty buckets left out.

    Raises ValueError if a bucket shrank: then the two are not snapshots of the same counter.
    """
    grown = {value: count - before.get(value, 0) for value, count in after.items()}
    shrunk = [value for value, count in grown.items() if count < 0]
    if shrunk or any(value not in after and count for value, count in before.items()):
        raise ValueError("a histogram does not shrink: the counter was reset between the two snapshots")
    return {value: count for value, count in grown.items() if count}
