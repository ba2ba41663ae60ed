"""Everything between two bounds, equally often."""

from dataclasses import dataclass
from typing import ClassVar

from upstream_mock.latency.distribution import Distribution, Seconds


@dataclass(frozen=True)
class Uniform(Distribution):
    """Everything between two bounds, equally often."""

    example: ClassVar[str] = "uniform(50ms, 150ms)"
    low: Seconds
    high: Seconds

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("the first bound is above the second")

    def quantile(self, u: float) -> float:
        """A straight line from low to high."""
        return self.low + u * (self.high - self.low)
