"""Memoryless service: the M of M/M/c."""

import math
from dataclasses import dataclass
from typing import ClassVar

from upstream_mock.latency.distribution import Distribution, Seconds


@dataclass(frozen=True)
class Exponential(Distribution):
    """Memoryless service by its mean: the M of M/M/c."""

    example: ClassVar[str] = "exponential(100ms)"
    mean: Seconds

    def quantile(self, u: float) -> float:
        """Inverse of 1 - exp(-t / mean)."""
        return -self.mean * math.log1p(-u)
