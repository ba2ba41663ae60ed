"""The knee of a sweep: the smallest value from which on more of it hardly brings more throughput.

Here: the smallest value whose throughput is within 5 % of the best. Its range is what 90 % of 1000 resamples give:
repeats are drawn, then blocks of seconds within them, because neighbouring seconds are alike (B. Efron, Bootstrap
Methods, Annals of Statistics 7(1), 1979; H. Künsch, The Jackknife and the Bootstrap for General Stationary
Observations, Annals of Statistics 17(3), 1989). Other definitions need a curve, not some points of one: the largest
throughput per response time (L. Kleinrock, Power and Deterministic Rules of Thumb, ICC 1979), the largest curvature
(V. Satopää et al., Finding a "Kneedle" in a Haystack, ICDCS Workshops 2011).
"""

import random
import statistics
from collections.abc import Sequence
from typing import Literal

from lab.document_part import DocumentPart

NEAR_BEST = 0.05
RESAMPLES = 1000
BLOCK_SECONDS = 3
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
    rates = [statistics.fmean(statistics.fmean(seconds) for seconds in of_value) for of_value in runs]
    found = _first_near_best(rates)
    drawn = random.Random(1)
    again = sorted(_first_near_best([_resampled(of_value, drawn) for of_value in runs]) for _ in range(RESAMPLES))
    rest = round((1 - LEVEL) / 2 * RESAMPLES)
    low, high = min(again[rest], found), max(again[RESAMPLES - 1 - rest], found)
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
    """Return the interval of a mean throughput in 90 % of the resamples."""
    drawn = random.Random(1)
    again = sorted(_resampled(runs, drawn) for _ in range(RESAMPLES))
    rest = round((1 - LEVEL) / 2 * RESAMPLES)
    return again[rest], again[RESAMPLES - 1 - rest]


def _first_near_best(rates: Sequence[float]) -> int:
    enough = (1 - NEAR_BEST) * max(rates)
    return next(number for number, rate in enumerate(rates) if rate >= enough)


def _resampled(runs: Sequence[Seconds], drawn: random.Random) -> float:
    """Return the mean of runs drawn with replacement, each of blocks drawn from its seconds as from a ring."""
    means = []
    for _ in runs:
        seconds = drawn.choice(runs)
        block = min(BLOCK_SECONDS, len(seconds))
        taken: list[float] = []
        while len(taken) < len(seconds):
            start = drawn.randrange(len(seconds))
            taken += [seconds[(start + step) % len(seconds)] for step in range(block)]
        means.append(statistics.fmean(taken[: len(seconds)]))
    return statistics.fmean(means)
