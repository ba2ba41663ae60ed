"""The seed's draws."""

from random import Random

from upstream_mock.duration import LONGEST_SECONDS
from upstream_mock.latency.distribution import Distribution

OWN_LONGEST_SECONDS = 60.0
"""No request makes itself longer than this."""


class Latency:
    """Draws latencies, one a request in order of arrival: the sequence depends on the seed and nothing else.

    One uniform number a draw, through the quantile function: `random()` gives the same sequence in every Python, and a
    request that brings a distribution of its own uses up one number like any other.
    """

    def __init__(self, distribution: Distribution, seed: int) -> None:
        self._quantile = distribution.quantile
        self._random = Random(f"latency {seed}").random

    def draw(self, own: Distribution | None = None) -> float:
        """The next latency in seconds, cut at 0 and at an hour; at a minute if it is of the request's `own`."""
        if own is None:
            seconds = self._quantile(self._random())
        else:
            seconds = min(own.quantile(self._random()), OWN_LONGEST_SECONDS)
        if seconds < 0:
            return 0.0
        return seconds if seconds < LONGEST_SECONDS else LONGEST_SECONDS
