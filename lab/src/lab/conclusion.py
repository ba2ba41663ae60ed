"""What is concluded from a run: the verdict, its advice as data, and the caveats that stand beside it."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, JsonValue, field_validator

from lab.account.places import Kind, Owner, Place
from lab.document_part import DocumentPart
from service_kit.variables import as_text

Bottleneck = Literal[
    "none",
    "failures",
    "pool",
    "leak",
    "admission",
    "threads",
    "loop",
    "cpu",
    "machine",
    "generator",
    "pattern",
    "connect",
    "network",
    "upstream",
]
"""What most of the avoidable time waited for. `cpu` is one process at its limit, `machine` all cores."""

Metric = Literal[
    "succeeded_rps",
    "latency_mean_ms",
    "latency_p50_ms",
    "latency_p90_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "failed_share",
]
"""What objectives and promises are about. `succeeded_rps`: requests a second that did not fail."""

Figures = Mapping[Metric, float | None]
"""Measured or forecast values; None where unknown."""


class AdvicePromise(DocumentPart):
    """What one metric of the run is to become by the advice. `after` is null where that cannot be known."""

    metric: Metric
    before: float
    after: float | None
    assumes: str


class Advice(DocumentPart):
    """What to change: words, and the variables to set where variables do it."""

    words: str
    set: dict[str, JsonValue] = Field(default_factory=dict)
    promise: AdvicePromise | None = None

    @property
    def variables(self) -> dict[str, str]:
        """What it sets, as text."""
        return {name: as_text(value) for name, value in self.set.items()}

    @property
    def env_lines(self) -> list[str]:
        """The lines to paste into .env."""
        return [f"{name}={value}" for name, value in self.variables.items()]


class Finding(DocumentPart):
    """What took a share of the users' time that another setting could spare, and whose it is.

    `share` is of the users' time in the mean; of failures, leaks and the like, of the requests.
    """

    bottleneck: Bottleneck
    place: Place | None = None
    kind: Kind | None = None
    owner: Owner
    share: float
    because: str
    advice: Advice


class Caveat(DocumentPart):
    """Why the run's figures are not quite those of what was set. `share` of the users' time; null where unknown.

    About `settings`: two that don't go together, with what to set.
    """

    about: Literal[
        "upstream",
        "network",
        "generator",
        "machine",
        "window",
        "failures",
        "injected",
        "settings",
        "descriptors",
        "backlog",
        "arrivals",
    ]
    because: str
    share: float | None = None
    advice: Advice | None = None


class Verdict(DocumentPart):
    """What limited the run, the figures that show it, and what to change.

    `also`: what else took a tenth or more, in order of weight.
    """

    bottleneck: Bottleneck
    place: Place | None = None
    kind: Kind | None = None
    owner: Owner | None = None
    because: str
    advice: Advice
    also: list[Finding] = Field(default_factory=list)
    caveats: list[Caveat] = Field(default_factory=list)

    @field_validator("advice", mode="before")
    @classmethod
    def _of_version_1(cls, advice: Any) -> Any:
        return {"words": advice} if isinstance(advice, str) else advice

    @field_validator("bottleneck", mode="before")
    @classmethod
    def _named_in_version_1(cls, bottleneck: Any) -> Any:
        return "network" if bottleneck == "link" else bottleneck


UNJUDGED = Verdict(bottleneck="none", because="not judged", advice=Advice(words=""))
"""The verdict of a run that is still being put together."""
