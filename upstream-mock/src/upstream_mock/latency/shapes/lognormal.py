"""The long tail most services have."""

import math
from dataclasses import dataclass
from typing import ClassVar

from upstream_mock.latency.distribution import Distribution, Seconds, standard_normal


@dataclass(frozen=True)
class Lognormal(Distribution):
    """The long tail most services have, by median and 99th percentile."""

    example: ClassVar[str] = "lognormal(100ms, p99=400ms)"
    median: Seconds
    p99: Seconds

    def __post_init__(self) -> None:
        if not 0 < self.median <= self.p99:
            raise ValueError("the median must be above zero and p99 not below it")

    def quantile(self, u: float) -> float:
        """The median times e to so many sigmas; sigma follows from p99."""
        sigma = math.log(self.p99 / self.median) / standard_normal(0.99)
        return self.median * math.exp(sigma * standard_normal(u))
