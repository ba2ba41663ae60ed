"""What a run is to reach, such as `p99 < 1s, failures < 1%`, and whether it did. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from lab.conclusion import Figures, Metric
from lab.document_part import DocumentPart

ObjectiveMetric = Literal["p50", "p90", "p95", "p99", "mean", "failures", "throughput"]
"""Response times in ms, failures as a share of the requests, throughput as requests per second that did not fail."""

OBJECTIVE_RULE = (
    f"{', '.join(get_args(ObjectiveMetric))} with < or > and a value in ms, s, % (failures) or /s (throughput), "
    "several joined by a comma or 'and': p99 < 1s, failures < 1%"
)

_UNITS: Mapping[str, tuple[str, float]] = {
    "ms": ("ms", 1.0),
    "s": ("ms", 1000.0),
    "%": ("share", 0.01),
    "/s": ("rps", 1.0),
}
"""What a unit measures, and how many of ms, shares or requests per second it is."""

_MEASURED_IN: Mapping[ObjectiveMetric, str] = {"failures": "share", "throughput": "rps"}
"""Metrics that are no times."""

_BOUND = re.compile(r"([a-z0-9]+)\s*([<>])\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|%|/s)")
_JOINED = re.compile(r"\s*,\s*|\s+and\s+")
_LONGEST = 200

METRIC_OF: Mapping[ObjectiveMetric, Metric] = {
    "p50": "latency_p50_ms",
    "p90": "latency_p90_ms",
    "p95": "latency_p95_ms",
    "p99": "latency_p99_ms",
    "mean": "latency_mean_ms",
    "failures": "failed_share",
    "throughput": "succeeded_rps",
}


class BoundOutcome(DocumentPart):
    """One bound and the value that was found: ms, a share of 1, or requests per second. Unknown: it fails."""

    text: str
    metric: ObjectiveMetric
    limit: float
    value: float | None
    holds: bool


class ObjectiveOutcome(DocumentPart):
    """Whether a run reached its objective: all of its bounds hold."""

    text: str
    holds: bool
    bounds: list[BoundOutcome]


@dataclass(frozen=True)
class Bound:
    """A limit for one metric, in ms, as a share of 1, or in requests per second."""

    text: str
    metric: ObjectiveMetric
    below: bool
    limit: float

    def value(self, figures: Figures) -> float | None:
        return figures.get(METRIC_OF[self.metric])

    def holds(self, value: float | None) -> bool:
        """Whether a value keeps to it; an unknown one does not."""
        return value is not None and (value < self.limit if self.below else value > self.limit)


@dataclass(frozen=True)
class Objective:
    """Bounds that a run must keep to, all of them."""

    text: str
    bounds: tuple[Bound, ...]

    @property
    def times(self) -> list[Bound]:
        """The bounds that are response times."""
        return [bound for bound in self.bounds if bound.metric not in _MEASURED_IN]

    def outcome(self, figures: Figures) -> ObjectiveOutcome:
        found = [
            BoundOutcome(
                text=bound.text,
                metric=bound.metric,
                limit=bound.limit,
                value=(value := bound.value(figures)),
                holds=bound.holds(value),
            )
            for bound in self.bounds
        ]
        return ObjectiveOutcome(text=self.text, holds=all(each.holds for each in found), bounds=found)


def parse_objective(text: str) -> Objective | None:
    """Return the objective, None for an empty text. Raises ValueError with what is wrong in a few words."""
    text = " ".join(text.split())
    if not text:
        return None
    if len(text) > _LONGEST:
        raise ValueError(f"longer than {_LONGEST} characters")
    bounds = tuple(_bound(part) for part in _JOINED.split(text))
    return Objective(", ".join(bound.text for bound in bounds), bounds)


def _bound(text: str) -> Bound:
    match = _BOUND.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no bound")
    name, sign, number, unit = match.groups()
    metric = next((each for each in get_args(ObjectiveMetric) if each == name), None)
    if metric is None:
        raise ValueError(f"{name!r} is no metric")
    measured_in, factor = _UNITS[unit]
    if measured_in != _MEASURED_IN.get(metric, "ms"):
        raise ValueError(f"{name} is not measured in {unit}")
    return Bound(f"{name} {sign} {number}{unit}", metric, sign == "<", float(number) * factor)


def value_words(metric: ObjectiveMetric, value: float | None) -> str:
    """Return a value with its unit: `930 ms`, `1.5 %`, `88.2/s`."""
    if value is None:
        return "unknown"
    if metric == "failures":
        return f"{value * 100:.3g} %"
    return f"{value:.1f}/s" if metric == "throughput" else f"{value:.4g} ms"


def outcome_words(outcome: ObjectiveOutcome) -> str:
    """Return whether it holds and by which values: `p99 < 1s holds: 930 ms`."""
    verb = "holds" if outcome.holds else "does not hold"
    values = [f"{each.metric} {value_words(each.metric, each.value)}" for each in outcome.bounds]
    return f"{outcome.text} {verb}: {', '.join(values)}"
