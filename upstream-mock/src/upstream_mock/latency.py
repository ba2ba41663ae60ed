"""Latency distributions: `lognormal(100ms, p99=400ms)` parsed into a small frozen class that knows its quantiles.

A new distribution is a class with `quantile` and `example`, and a line in `DISTRIBUTIONS`.
"""

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from random import Random
from statistics import NormalDist
from typing import ClassVar

from upstream_mock.duration import parse_duration

_NORMAL = NormalDist()
_SMALLEST = 2.0**-54  # below what random() can return but for 0.0 itself, where a normal quantile is minus infinity
_CALL = re.compile(r"([a-z]+)\s*\((.*)\)")


@dataclass(frozen=True)
class Distribution(ABC):
    """A distribution of latencies, in seconds; its fields are what stands between the brackets, in that order."""

    example: ClassVar[str]

    @abstractmethod
    def quantile(self, u: float) -> float:
        """The latency in seconds which a share `u` (0 <= u < 1) of the draws stays below; may be negative."""


@dataclass(frozen=True)
class Constant(Distribution):
    """Always the same."""

    example: ClassVar[str] = "constant(100ms)"
    value: float

    def quantile(self, u: float) -> float:  # noqa: ARG002 the same for every share
        """The value."""
        return self.value


@dataclass(frozen=True)
class Uniform(Distribution):
    """Everything between two bounds, equally often."""

    example: ClassVar[str] = "uniform(50ms, 150ms)"
    low: float
    high: float

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("the first bound is above the second")

    def quantile(self, u: float) -> float:
        """A straight line from low to high."""
        return self.low + u * (self.high - self.low)


@dataclass(frozen=True)
class Normal(Distribution):
    """The bell curve by mean and standard deviation; what falls below zero is drawn as zero."""

    example: ClassVar[str] = "normal(100ms, 20ms)"
    mean: float
    deviation: float

    def quantile(self, u: float) -> float:
        """Mean plus so many deviations."""
        return self.mean + self.deviation * _NORMAL.inv_cdf(max(u, _SMALLEST))


@dataclass(frozen=True)
class Lognormal(Distribution):
    """The long tail most services have, by median and 99th percentile."""

    example: ClassVar[str] = "lognormal(100ms, p99=400ms)"
    median: float
    p99: float

    def __post_init__(self) -> None:
        if not 0 < self.median <= self.p99:
            raise ValueError("the median must be above zero and p99 not below it")

    def quantile(self, u: float) -> float:
        """The median times e to so many sigmas; sigma follows from p99."""
        sigma = math.log(self.p99 / self.median) / _NORMAL.inv_cdf(0.99)
        return self.median * math.exp(sigma * _NORMAL.inv_cdf(max(u, _SMALLEST)))


@dataclass(frozen=True)
class Exponential(Distribution):
    """Memoryless service by its mean: the M of M/M/c."""

    example: ClassVar[str] = "exponential(100ms)"
    mean: float

    def quantile(self, u: float) -> float:
        """Inverse of 1 - exp(-t / mean)."""
        return -self.mean * math.log1p(-u)


DISTRIBUTIONS: dict[str, type[Distribution]] = {
    "constant": Constant,
    "uniform": Uniform,
    "normal": Normal,
    "lognormal": Lognormal,
    "exponential": Exponential,
}
ALLOWED = ", ".join(shape.example for shape in DISTRIBUTIONS.values()) + ", with us, ms or s"


def parse_latency(text: str) -> Distribution:
    """The distribution that `text` describes; ValueError says in one line what is wrong with it."""
    match = _CALL.fullmatch(text.strip())
    if match is None or match[1] not in DISTRIBUTIONS:
        raise ValueError("not a distribution")
    shape = DISTRIBUTIONS[match[1]]
    names = [field.name for field in fields(shape)]
    given: dict[str, float] = {}
    for position, argument in enumerate(match[2].split(",")):
        name, equals, value = (part.strip() for part in argument.rpartition("="))
        if not equals:
            name = names[position] if position < len(names) else ""
        if name not in names or name in given:
            raise ValueError(f"{argument.strip()!r} is one too many or unknown in {match[1]}({', '.join(names)})")
        given[name] = parse_duration(value)
    if len(given) < len(names):
        raise ValueError(f"{match[1]}({', '.join(names)}) needs {len(names)} durations")
    return shape(**given)


class Latency:
    """Draws latencies, one a request in order of arrival: the sequence depends on the seed and nothing else.

    One uniform number a draw, through the quantile function: `random()` gives the same sequence in every Python.
    """

    def __init__(self, distribution: Distribution, seed: int) -> None:
        self._quantile = distribution.quantile
        self._random = Random(f"latency {seed}").random

    def draw(self) -> float:
        """The next latency in seconds, never negative."""
        return max(0.0, self._quantile(self._random()))
