"""The bell curve."""

from dataclasses import dataclass
from typing import ClassVar

from upstream_mock.latency.distribution import Distribution, Seconds, standard_normal


@dataclass(frozen=True)
class Normal(Distribution):
    """The bell curve by mean and standard deviation; what falls below zero is drawn as zero."""

    example: ClassVar[str] = "normal(100ms, 20ms)"
    mean: Seconds
    deviation: Seconds

    def quantile(self, u: float) -> float:
        """Mean plus so many deviations."""
        return self.mean + self.deviation * standard_normal(u)
