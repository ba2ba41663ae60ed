"""The knee of a sweep: the smallest value from which on more of it hardly brings more throughput.

Here: the smallest value whose throughput is within 5 % of the best. Its range, of 90 %, begins with the first value
that may be so by its noise, and ends with the first that surely is (`lab.comparison.noise`). Other definitions need a
curve, not some points of one: the largest throughput per response time (L. Kleinrock, Power and Deterministic Rules of
Thumb, ICC 1979), the largest curvature (V. Satopää et al., Finding a "Kneedle" in a Haystack, ICDCS Workshops 2011).
"""

import statistics
from collections.abc import Sequence
from typing import Literal

from lab.comparison.noise import Noise, half_width
from lab.document_part import DocumentPart

NEAR_BEST = 0.05
LEVEL = 0.90

Seconds = Sequence[float]
"""Requests a second that did not fail, one figure for each second of a run."""


class Knee(DocumentPart):
    """`low` and `high` end its range. `of_best` is the knee's throughput as a share of the best one's.

    `at` is where it lies: `first` and `last` mean that the true one may be beyond what was measured.
    """

    variable: str
    settings: dict[str, str]
    value: str
    low: str
    high: str
    throughput_rps: float
    of_best: float
    at: Literal["first", "between", "last"]


def knee(variable: str, values: Sequence[str], runs: Sequence[Sequence[Seconds]], settings: dict[str, str]) -> Knee:
    """Return the knee over values in rising order; `runs` has the runs of each value.

    `settings` are the other swept variables' values.
    """
    rates = [mean_rate(of_value) for of_value in runs]
    best = max(range(len(rates)), key=rates.__getitem__)
    share = 1 - NEAR_BEST
    found = next(number for number, rate in enumerate(rates) if rate >= share * rates[best])
    noises = [Noise.of_throughput(of_value) for of_value in runs]
    off = [half_width((noise, noises[best].scaled(share)), 1 - LEVEL) for noise in noises]
    low = next(number for number in range(found + 1) if rates[number] + off[number] >= share * rates[best])
    high = next(
        number
        for number in range(found, best + 1)
        if number == best or rates[number] - off[number] >= share * rates[best]
    )
    return Knee(
        variable=variable,
        settings=settings,
        value=values[found],
        low=values[low],
        high=values[high],
        throughput_rps=rates[found],
        of_best=rates[found] / max(rates) if max(rates) else 1.0,
        at="first" if found == 0 else "last" if found == len(values) - 1 else "between",
    )


def throughput_interval(runs: Sequence[Seconds]) -> tuple[float, float]:
    """Return the 90 % interval of a mean throughput."""
    mean, off = mean_rate(runs), half_width((Noise.of_throughput(runs),), 1 - LEVEL)
    return max(mean - off, 0.0), mean + off


def mean_rate(runs: Sequence[Seconds]) -> float:
    return statistics.fmean(statistics.fmean(seconds) for seconds in runs)
