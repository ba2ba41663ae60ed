"""What a distribution is, and the seed's draws from one."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from random import Random
from statistics import NormalDist
from typing import Annotated, ClassVar

from service_kit.duration import LONGEST_SECONDS, parse_duration

OWN_LONGEST_SECONDS = 60.0
"""The longest latency that a request may ask for itself."""

_NORMAL = NormalDist()
_SMALLEST = 2.0**-54  # below what random() can return but for 0.0 itself, where a normal quantile is minus infinity


def parse_share(text: str) -> float:
    """A share of all requests; ValueError if it is no number from 0 to 1."""
    if not re.fullmatch(r"[0-9]*\.?[0-9]+", text) or float(text) > 1:
        raise ValueError(f"{text!r} is not a share (a number from 0 to 1)")
    return float(text)


Seconds = Annotated[float, parse_duration]
Share = Annotated[float, parse_share]


@dataclass(frozen=True)
class Distribution(ABC):
    """A distribution of latencies. Its name is its class's; its fields are the arguments between the brackets.

    A field's annotation has the reader of its text: `Annotated[type, reader]`, the reader raises ValueError. A mistake
    in several fields together is a ValueError of `__post_init__`.
    """

    example: ClassVar[str]
    at_start_only: ClassVar[bool] = False
    """Whether a request may not ask for it."""

    @abstractmethod
    def quantile(self, u: float) -> float:
        """The latency in seconds which a share `u` (0 <= u < 1) of the draws stays below; may be negative."""


def standard_normal(u: float) -> float:
    """The quantile of the normal distribution with mean 0 and deviation 1, finite at 0 too."""
    return _NORMAL.inv_cdf(max(u, _SMALLEST))


def cut(seconds: float) -> float:
    """A draw as it is used: not below 0, and an hour at most."""
    if seconds < 0:
        return 0.0
    return seconds if seconds < LONGEST_SECONDS else LONGEST_SECONDS


class LatencySampler:
    """Draws latencies, one a request in order of arrival: the sequence depends on the seed and nothing else.

    One uniform number a draw, through the quantile function: `random()` gives the same sequence in every Python, and a
    request that brings a distribution of its own uses up one number like any other.
    """

    def __init__(self, distribution: Distribution, seed: int) -> None:
        self._quantile = distribution.quantile
        self._random = Random(f"latency {seed}").random

    def change(self, distribution: Distribution) -> None:
        """Draw from another distribution from now on, with the numbers that come next."""
        self._quantile = distribution.quantile

    def draw(self, own: Distribution | None = None) -> float:
        """The next latency in seconds, cut at 0 and at an hour; at a minute if it is of the request's `own`."""
        if own is None:
            seconds = self._quantile(self._random())
        else:
            seconds = min(own.quantile(self._random()), OWN_LONGEST_SECONDS)
        return cut(seconds)
