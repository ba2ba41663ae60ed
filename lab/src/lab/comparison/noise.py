"""How much the figures of a run vary by themselves. Pure.

The noise within a run is that of its steady seconds, which are correlated: the variance of their mean is that of the
moving-block bootstrap (Kuensch 1989) in closed form, which is overlapping batch means (Meketon and Schmeiser 1984).
To it comes what two runs of the same settings differ by. Intervals are t-intervals with Welch's and Satterthwaite's
degrees of freedom: these keep their level with few seconds, where a bootstrap's own quantiles do not.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from lab.run_document import RunDocument, SeriesPoint

FEWEST_SECONDS = 5
"""Below it nothing is said of a figure's noise."""

THROUGHPUT_SPREAD = 0.01
"""What throughput of equal settings varies by from run to run, a standard deviation as a share of it; measured."""

BETWEEN_FREEDOM = 8.0
"""How sure what was measured between runs is of another machine, in degrees of freedom."""

_FEW_SECONDS, _MOST_FREEDOM, _STEPS = 2, 200.0, 200


@dataclass(frozen=True)
class Noise:
    """The variance of a run's figure: within the run, with its degrees of freedom, and from run to run."""

    within: float
    freedom: float
    between: float

    @classmethod
    def of_throughput(cls, runs: Sequence[Sequence[float]]) -> Self:
        """Return the noise of the mean rate over runs of the same settings; each has the rate of each of its seconds.

        A run of too few seconds is taken as a Poisson process.
        """
        count, means = len(runs), [math.fsum(run) / len(run) for run in runs]
        within = [
            cls(*variance_of_mean(run), 0.0) if len(run) > _FEW_SECONDS else cls(mean / len(run), _MOST_FREEDOM, 0.0)
            for run, mean in zip(runs, means, strict=True)
        ]
        variance, freedom = combined(within)
        assumed = (THROUGHPUT_SPREAD * math.fsum(means) / count) ** 2
        found = statistics.variance(means) - variance / count if count > 1 else 0.0
        return cls(variance / count**2, freedom, max(assumed, found) / count)

    def scaled(self, factor: float) -> "Noise":
        return Noise(self.within * factor**2, self.freedom, self.between * factor**2)


def steady_seconds(run: RunDocument) -> list[tuple[SeriesPoint, float]]:
    """Return the seconds that lie in the steady part as a whole, each with its length."""
    if run.window is None or not run.window.steady:
        return []
    return window_seconds(run, 0.0)


def window_seconds(run: RunDocument, slack_seconds: float) -> list[tuple[SeriesPoint, float]]:
    """Return the seconds that lie in the run's window, or reach out of it by no more than that, each with its length.

    The very first one is of the window only with some slack: users are started in it.
    """
    if run.window is None:
        return []
    begin, end = run.window.begin_seconds - slack_seconds, run.window.end_seconds + slack_seconds
    starts = [0.0, *(point.t_seconds for point in run.series)]
    return [
        (point, point.t_seconds - start)
        for start, point in zip(starts, run.series, strict=False)
        if begin <= start < point.t_seconds <= end
    ]


def variance_of_mean(values: Sequence[float]) -> tuple[float, float]:
    """Return the variance of the mean of correlated values, in order, and its degrees of freedom."""
    count = len(values)
    block = max(1, round(count ** (1 / 3)))
    mean = math.fsum(values) / count
    blocks = [math.fsum(values[start : start + block]) / block for start in range(count - block + 1)]
    squares = math.fsum((each - mean) ** 2 for each in blocks)
    variance = block * squares / ((count - block) * len(blocks))
    return variance, max(1.5 * (count / block - 1), 1.0)


def half_width(noises: Sequence[Noise], error: float) -> float:
    """Return half the interval that a sum or difference of such figures is beyond with that probability."""
    variance, freedom = combined(noises)
    return t_quantile(error, math.floor(freedom * 2) / 2) * math.sqrt(variance)


def combined(noises: Sequence[Noise]) -> tuple[float, float]:
    """Return the variance of a sum of such figures, and its degrees of freedom."""
    variance = math.fsum(each.within + each.between for each in noises)
    uncertain = math.fsum(each.within**2 / each.freedom for each in noises)
    uncertain += math.fsum(each.between for each in noises) ** 2 / BETWEEN_FREEDOM
    return variance, min(variance**2 / uncertain, _MOST_FREEDOM) if uncertain else _MOST_FREEDOM


@lru_cache(maxsize=1024)
def t_quantile(error: float, freedom: float) -> float:
    """Return the t which a t-distributed value exceeds, on either side, with probability `error`.

    The tail is an integral of cos(x)^(freedom - 1) from atan(t / sqrt(freedom)); by Simpson's rule and bisection.
    """
    whole = _integral(0.0, freedom)
    low, high = 0.0, math.pi / 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _integral(middle, freedom) / whole > error else (low, middle)
    return math.sqrt(freedom) * math.tan(low)


def _integral(begin: float, freedom: float) -> float:
    width = (math.pi / 2 - begin) / _STEPS
    heights: list[float] = [max(math.cos(begin + index * width), 0.0) ** (freedom - 1.0) for index in range(_STEPS + 1)]
    return float(width / 3 * (heights[0] + heights[-1] + 4 * math.fsum(heights[1::2]) + 2 * math.fsum(heights[2:-1:2])))
