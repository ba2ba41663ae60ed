"""Two speeds: a cache that hits or misses, a query with or without its index."""

from dataclasses import dataclass
from typing import ClassVar

from upstream_mock.latency.distribution import Distribution, Seconds, Share


@dataclass(frozen=True)
class Bimodal(Distribution):
    """Fast, and slow for a share of the requests."""

    example: ClassVar[str] = "bimodal(50ms, 500ms, share=0.1)"
    fast: Seconds
    slow: Seconds
    share: Share

    def __post_init__(self) -> None:
        if self.fast > self.slow:
            raise ValueError("the first duration is above the second")

    def quantile(self, u: float) -> float:
        """One of the two."""
        return self.slow if u >= 1 - self.share else self.fast
