"""Always the same."""

from dataclasses import dataclass
from typing import ClassVar

from upstream_mock.latency.distribution import Distribution, Seconds


@dataclass(frozen=True)
class Constant(Distribution):
    """Always the same."""

    example: ClassVar[str] = "constant(100ms)"
    value: Seconds

    def quantile(self, u: float) -> float:  # noqa: ARG002 the same for every share
        """The value."""
        return self.value
