"""The heavy tail: few requests that take for ever."""

import math
from dataclasses import dataclass
from typing import ClassVar

from upstream_mock.latency.distribution import Distribution, Seconds


@dataclass(frozen=True)
class Pareto(Distribution):
    """The heavy tail by median and 99th percentile; nothing is much faster than the median.

    A share (scale / t) ** alpha takes longer than t. Median and p99 say the same as scale and alpha, and are what one
    reads off a dashboard: alpha = ln 50 / ln(p99 / median). From p99 = 50 medians on (alpha <= 1) it has no mean: that
    of a run grows with its length, up to the hour at which a draw is cut.
    """

    example: ClassVar[str] = "pareto(100ms, p99=400ms)"
    median: Seconds
    p99: Seconds

    def __post_init__(self) -> None:
        if not 0 < self.median <= self.p99:
            raise ValueError("the median must be above zero and p99 not below it")

    def quantile(self, u: float) -> float:
        """The scale times (1 - u) ** (-1 / alpha), with the scale taken at the median."""
        return self.median * math.pow(2 * (1 - u), -math.log(self.p99 / self.median) / math.log(50))
