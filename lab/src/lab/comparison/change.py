"""Whether a figure differs between runs by more than its noise. Pure.

Where there are repeats, their spread is weighed against the noise that is expected of each run, by the degrees of
freedom of both (the moderated t of Smyth 2004).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from lab.comparison.noise import FEWEST_SECONDS, Noise, combined, steady_seconds, t_quantile, variance_of_mean
from lab.document_part import DocumentPart
from lab.run_document import RunDocument, SeriesPoint

FAMILY_ERROR = 0.01
"""Chance that any figure of a comparison of equal runs is said to differ."""

FEWEST_REPEATS = 2
"""Degrees of freedom of repeats from which on they tell the noise alone, as they must on a full machine."""

LEAST_FREE = 0.05
"""Share of the CPU that other work leaves at least, as far as this is about noise."""


class Change(DocumentPart):
    """The difference to the first run, with its interval. `differs`: the interval does not hold 0.

    On a full machine the noise is known from repeats only, the interval is null without them, and `differs` is never
    false but null: a change may hide in what the other work does.
    """

    difference: float
    low: float | None
    high: float | None
    differs: bool | None

    @property
    def half_width(self) -> float | None:
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True)
class Sample:
    """One run's figure. `full`: by how much runs differ on a machine without a free core is not known."""

    value: float
    noise: Noise
    full: bool = False


@dataclass(frozen=True)
class PerSecond:
    """How a figure is read from one second, and how much it varies from run to run.

    `second` takes a second and its length. `relative` is a standard deviation as a share of the figure, `absolute`
    one in its own unit: a time's resolution. `counts`: rare events, at least as noisy as a Poisson process.
    """

    second: Callable[[SeriesPoint, float], float | None]
    relative: float
    absolute: float = 0.0
    counts: bool = False

    def sample(self, run: RunDocument, figure: float | None, *, full: bool = False) -> Sample | None:
        """Return a run's figure with its noise; None where its seconds are too few to tell."""
        seconds = [value for point, length in steady_seconds(run) if (value := self.second(point, length)) is not None]
        if figure is None or len(seconds) < FEWEST_SECONDS:
            return None
        within, freedom = variance_of_mean(seconds)
        if self.counts:
            length = run.window_seconds
            within = max(within, max(figure * length, 1.0) / length**2)
        between = crowding(run) * math.hypot(self.relative * figure, self.absolute)
        return Sample(figure, Noise(within, freedom, between**2), full)

    @classmethod
    def of_rate(cls, value: Callable[[SeriesPoint], int], relative: float, *, counts: bool = False) -> Self:
        return cls(lambda point, length: value(point) / length, relative, counts=counts)


def crowding(run: RunDocument) -> float:
    """Return by how much more runs differ because of other work: in inverse proportion to the CPU it leaves them."""
    if run.host is None or run.host.busy_share is None:
        return 1.0
    own = math.fsum(cores or 0.0 for cores in run.cpu_cores.values()) / run.host.cores
    return 1.0 / max(1.0 - max(run.host.busy_share - own, 0.0), LEAST_FREE)


def change(first: Sequence[Sample], other: Sequence[Sample], comparisons: int) -> Change:
    """Return the difference of the means of two groups of runs, one at least in each, with its interval.

    All intervals of `comparisons` hold together but for FAMILY_ERROR (Bonferroni).
    """
    groups = (first, other)
    difference = _mean(other) - _mean(first)
    expected = [math.fsum(each.noise.within + each.noise.between for each in group) / len(group) for group in groups]
    variance, freedom = combined([each.noise.scaled(1 / len(group)) for group in groups for each in group])
    prior = 0.0 if any(each.full for group in groups for each in group) else freedom
    repeats = sum(len(group) - 1 for group in groups)
    if prior == 0.0 and repeats < FEWEST_REPEATS:
        return Change(difference=difference, low=None, high=None, differs=None)
    seen = math.fsum(_squares(group) / each for each, group in zip(expected, groups, strict=True) if each)
    variance *= (prior + seen) / (prior + repeats)
    half = t_quantile(FAMILY_ERROR / comparisons, math.floor((prior + repeats) * 2) / 2) * math.sqrt(variance)
    differs = abs(difference) > half or (None if prior == 0.0 else False)
    return Change(difference=difference, low=difference - half, high=difference + half, differs=differs)


def _mean(group: Sequence[Sample]) -> float:
    return math.fsum(each.value for each in group) / len(group)


def _squares(group: Sequence[Sample]) -> float:
    mean = _mean(group)
    return math.fsum((each.value - mean) ** 2 for each in group)
