"""What every service answers, and how an answer is parsed."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

VariableValues = dict[str, JsonValue]
"""Variable name to value, as the service itself reports it."""

Document = TypeVar("Document", bound="WireModel")


class UnexpectedAnswer(ValueError):
    """An answer that is not the document asked for; the message is one line to show to a user."""


class WireModel(BaseModel):
    """A part of a document; unknown fields are ignored, a newer service may have them."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class Changeable(WireModel):
    """What a variable takes while its service runs: in words, and as a list where there is one."""

    allowed: str = ""
    choices: list[str] = Field(default_factory=list)


class ServiceConfig(WireModel):
    """`/-/config` of any service. `changed`: its settings were changed over HTTP since it started.

    `derived` names settings that are unset and shown as what they come to. `revision`, of a service that has one, is
    another number after each change. `started_with` has what the changed ones were at the start, `changeable` the
    variables that `PUT /-/config` takes; it takes none of them if there is a `fixed_because`.
    """

    settings: VariableValues
    derived: list[str] = Field(default_factory=list)
    versions: dict[str, str] = Field(default_factory=dict)
    changed: bool = False
    revision: int | None = None
    started_with: VariableValues = Field(default_factory=dict)
    changeable: dict[str, Changeable] = Field(default_factory=dict)
    fixed_because: str | None = None


class Mistakes(WireModel):
    """What a service answers to a change that it refuses: a line for each mistake, nothing is changed."""

    mistakes: list[str]


class Unready(WireModel):
    """`/-/ready` of a service that is not ready yet."""

    because: str = ""


class Histogram(WireModel):
    """Durations in ms since the service started; `histogram` maps a bucket's upper bound to its count."""

    count: int = 0
    sum: float = 0.0
    histogram: dict[float, int] = Field(default_factory=dict)


class WorkerProcess(WireModel):
    """One process of the proxy: counters since it started, `descriptors_max` of its newest run, gauges."""

    pid: int
    cpu_seconds: float = 0.0
    requests: int = 0
    timeouts: int = 0
    wait_ms: Histogram = Histogram()
    hold_ms: Histogram = Histogram()
    descriptors: int = 0
    descriptors_max: int = 0
    active: int | None = None
    idle: int | None = None
    connecting: int | None = None
    waiting: int = 0


class Process(WireModel):
    """CPU time and age of a service, and what the kernel counts for it; the proxy lists its workers."""

    cpu_seconds: float | None = None
    descriptors: int = 0
    descriptor_limit: int | None = None
    listen_overflows: int | None = None
    throttled_seconds: float | None = None
    uptime_seconds: float = 0.0
    workers: list[WorkerProcess] = Field(default_factory=list)


def parse(model: type[Document], answer: str | bytes, source: str) -> Document:
    """Parse the answer of `source`, as in "the proxy's /-/pool". Raises UnexpectedAnswer."""
    try:
        return model.model_validate_json(answer)
    except ValidationError as error:
        first, *more = error.errors(include_url=False)
        place = ".".join(str(key) for key in first["loc"])
        shown = repr(first["input"])
        shown = shown if len(shown) <= 60 else f"{shown[:60]}..."
        where = f"{place}: " if place else ""
        others = f" (and {len(more)} more)" if more else ""
        raise UnexpectedAnswer(f"{source} is not understood: {where}{first['msg']}, got {shown}{others}") from None
