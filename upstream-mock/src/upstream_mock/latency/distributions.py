"""The distributions, by the names that users write: the class's in lower case."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from service_kit.duration import parse_duration
from upstream_mock.latency.distribution import Distribution, Seconds, Share, standard_normal

MAX_LINES = 1_000_000
MAX_LINE_BYTES = 1000


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
        return self.slow if u >= 1 - self.share else self.fast


@dataclass(frozen=True)
class Constant(Distribution):
    """Always the same."""

    example: ClassVar[str] = "constant(100ms)"
    value: Seconds

    def quantile(self, u: float) -> float:  # noqa: ARG002 the same for every share
        return self.value


def read_durations(path: str) -> tuple[float, ...]:
    """The durations of a file in seconds, sorted: one a line, empty lines and what follows a # left out.

    ValueError names the file and the line.
    """
    found = []
    try:
        with Path(path).open("rb") as file:
            # Bounded, for a path may be one that never ends, such as /dev/zero.
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES), b""), 1):
                if number > MAX_LINES:
                    raise ValueError(f"{path}: more than {MAX_LINES} lines")
                if text := line.partition(b"#")[0].strip().decode("utf-8", "replace"):
                    found.append(_duration(text[:60], f"{path}:{number}"))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({os.strerror(error.errno or 0)})") from None
    if not found:
        raise ValueError(f"{path}: no duration in it")
    return tuple(sorted(found))


def _duration(text: str, where: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


@dataclass(frozen=True)
class Empirical(Distribution):
    """Each duration of a file equally often, whatever their order there; a path holds no comma and no equals sign."""

    example: ClassVar[str] = "empirical(/path/of/file)"
    at_start_only: ClassVar[bool] = True
    file: Annotated[tuple[float, ...], read_durations]

    def quantile(self, u: float) -> float:
        return self.file[int(u * len(self.file))]


@dataclass(frozen=True)
class Exponential(Distribution):
    """Memoryless service by its mean: the M of M/M/c."""

    example: ClassVar[str] = "exponential(100ms)"
    mean: Seconds

    def quantile(self, u: float) -> float:
        return -self.mean * math.log1p(-u)


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
        sigma = math.log(self.p99 / self.median) / standard_normal(0.99)
        return self.median * math.exp(sigma * standard_normal(u))


@dataclass(frozen=True)
class Normal(Distribution):
    """The bell curve by mean and standard deviation; what falls below zero is drawn as zero."""

    example: ClassVar[str] = "normal(100ms, 20ms)"
    mean: Seconds
    deviation: Seconds

    def quantile(self, u: float) -> float:
        return self.mean + self.deviation * standard_normal(u)


@dataclass(frozen=True)
class Pareto(Distribution):
    """The heavy tail by median and 99th percentile; nothing is much faster than the median.

    A share (scale / t) ** alpha takes longer than t. Median and p99 determine scale and alpha, and are what a dashboard
    shows: alpha = ln 50 / ln(p99 / median). From p99 = 50 medians on (alpha <= 1) it has no mean: that
    of a run grows with its length, up to the hour at which a draw is cut.
    """

    example: ClassVar[str] = "pareto(100ms, p99=400ms)"
    median: Seconds
    p99: Seconds

    def __post_init__(self) -> None:
        if not 0 < self.median <= self.p99:
            raise ValueError("the median must be above zero and p99 not below it")

    def quantile(self, u: float) -> float:
        return self.median * math.pow(2 * (1 - u), -math.log(self.p99 / self.median) / math.log(50))


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
        return self.low + u * (self.high - self.low)
