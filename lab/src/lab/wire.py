"""The JSON documents of the services as types: what proxy, mock and link answer under `/-/`.

They are parsed once, where they arrive. Fields that are not read here are ignored, and what a service may leave out has
a default; an answer of another shape is an `UnexpectedAnswer`.
"""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

Settings = dict[str, JsonValue]
"""Variable name to value, as the service itself reports it."""

_Document = TypeVar("_Document", bound="WireModel")


class UnexpectedAnswer(ValueError):
    """An answer that is not the document asked for; the message is one line to show to a user."""


class WireModel(BaseModel):
    """A part of a document; unknown fields are ignored, a newer service may have them."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class ServiceConfig(WireModel):
    """`/-/config` of any service. `changed`: its settings were changed over HTTP since it started."""

    settings: Settings
    versions: dict[str, str] = Field(default_factory=dict)
    changed: bool = False


class PythonProcess(WireModel):
    """What the proxy's process found: `sniffio` is absent, present or marked as missing, `gc_threshold` gc's own."""

    sniffio: str
    path_entries: int
    path_entries_of_ours: int
    gc_threshold: list[int]


class ProxyConfig(ServiceConfig):
    """The proxy's `/-/config`. `tuning` has a sentence for each thing that makes it faster than everybody's app."""

    tuning: list[str] = Field(default_factory=list)
    python: PythonProcess | None = None


class LinkConfig(ServiceConfig):
    """The link's `/-/config`. `configured` is what its settings come to, `caveats` are the engine's inaccuracies."""

    engine: str | None = None
    because: str | None = None
    configured: Settings = Field(default_factory=dict)
    measured: dict[str, dict[str, float | None]] | None = None
    caveats: list[str] = Field(default_factory=list)


class LatencyFigures(WireModel):
    """The mock's latency. `strata_ms`: shares of the requests, and the milliseconds in the middle of each."""

    mean_ms: float
    scv: float
    strata_ms: tuple[tuple[float, float], ...]


class MockConfig(ServiceConfig):
    """The mock's `/-/config`."""

    latency: LatencyFigures | None = None


class FaultRules(WireModel):
    """The mock's `/-/faults`: the rules in force."""

    rules: list[str]


class Histogram(WireModel):
    """Durations in ms since the service started; `histogram` maps a bucket's upper bound to its count."""

    count: int = 0
    sum: float = 0.0
    histogram: dict[float, int] = Field(default_factory=dict)


class Lateness(WireModel):
    """How late events left, in ms. An emulator without a histogram reports quantiles since its start."""

    count: int = 0
    p50: float | None = None
    p99: float | None = None
    histogram: dict[float, int] | None = None


class RequestCount(WireModel):
    """All requests since the proxy started."""

    received: int = 0


class PoolRun(WireModel):
    """The newest run that the proxy has seen."""

    id: str | None = None
    received: int = 0
    answered: int = 0
    failed: int = 0
    aborted: int = 0
    in_flight: int = 0
    untried: int | None = None
    tries: int | None = None
    retried: int | None = None
    sent: int | None = None
    responded: int | None = None
    active_max: int | None = None
    waiting_max: int | None = None


class WorkerProcess(WireModel):
    """One process of the proxy; counters since it started, `descriptors` now, `descriptors_max` of its newest run."""

    pid: int
    cpu_seconds: float = 0.0
    requests: int = 0
    timeouts: int = 0
    wait_ms: Histogram = Histogram()
    hold_ms: Histogram = Histogram()
    descriptors: int = 0
    descriptors_max: int = 0


class Process(WireModel):
    """CPU time and age of a service, and what the kernel counts for it; the proxy lists its workers."""

    cpu_seconds: float | None = None
    descriptors: int = 0
    descriptor_limit: int | None = None
    listen_overflows: int | None = None
    throttled_seconds: float | None = None
    uptime_seconds: float = 0.0
    workers: list[WorkerProcess] = Field(default_factory=list)


class ByTotal(WireModel):
    """Requests in classes of their whole time; the columns of a row as in `lab.account.request_classes`."""

    phases: list[str] = Field(default_factory=list)
    rows: list[list[float]] = Field(default_factory=list)


class PoolStats(WireModel):
    """The proxy's `/-/pool`, all workers together. Figures are null if the client library does not report them.

    `waiting_sampled` sums the requests without a connection over samples, `waiting_free` the part of them for which
    the pool had one.
    """

    workers: int = 1
    max: int
    total: int | None
    active: int
    idle: int | None
    waiting: int
    opened: int | None
    reused: int | None
    closed: int | None
    closed_after: dict[str, int] | None = None
    timeouts: int
    wait_ms: Histogram
    hold_ms: Histogram
    phases_ms: dict[str, Histogram] = Field(default_factory=dict)
    by_total: ByTotal = ByTotal()
    loop_lag_ms: Histogram = Histogram()
    lookups_ms: Histogram = Histogram()
    waiting_sampled: float = 0.0
    waiting_free: float = 0.0
    retried: int | None = None
    errors: dict[str, int] = Field(default_factory=dict)
    requests: RequestCount = RequestCount()
    leaked: int = 0
    run: PoolRun = PoolRun()
    process: Process = Process()


class LedgerEntry(WireModel):
    """One finished request; a phase that is not known is null."""

    run: str | None = None
    total_ms: float
    phases_ms: dict[str, float | None] = Field(default_factory=dict)


class LedgerPage(WireModel):
    """A page of the proxy's `/-/ledger`; `next` is the cursor of the page after it."""

    next: str | None = None
    dropped: int = 0
    entries: list[LedgerEntry]


class MockConnections(WireModel):
    """Connections since the mock started. Those without a request come from health probes."""

    accepted: int = 0
    open: int = 0
    closed: int = 0
    closed_by: dict[str, int] = Field(default_factory=dict)
    without_request: int = 0
    open_without_request: int = 0


class MockRun(WireModel):
    """One run's requests as the mock counted them."""

    started: int = 0
    completed: int = 0
    abandoned: int = 0
    in_flight: int = 0


class MockCapacity(WireModel):
    """The mock's servers and queue; null: without limit, or not known."""

    servers: int | None = None
    queue: int | None = None
    refused: int | None = None
    waited_ms: Histogram = Histogram()


class MockStats(WireModel):
    """The mock's `/-/stats`. `faults` counts the requests that each fault was injected into."""

    connections: MockConnections
    runs: dict[str, MockRun]
    capacity: MockCapacity = MockCapacity()
    lateness_ms: Lateness | None = None
    faults: dict[str, int] | None = None
    process: Process = Process()


class PacketCount(WireModel):
    """What the tun engine counts: packets dropped, by condition."""

    dropped_by: dict[str, int] | None = None


class PathSums(WireModel):
    """What the link charged since it started, in ms summed over connections; see `lab.emulation.PathMs`."""

    propagation: float
    retransmission: float
    bandwidth_queue: float
    handshake: float
    connections: int


class LinkStats(WireModel):
    """The link's `/-/stats`. A relay counts affected connections, tun dropped packets."""

    affected_by: dict[str, int] | None = None
    path_ms: PathSums | None = None
    packets: PacketCount = PacketCount()
    lateness_ms: Lateness | None = None
    process: Process = Process()

    @property
    def injected(self) -> dict[str, int] | None:
        """How often each network condition took effect; None if the engine does not count it."""
        return self.affected_by if self.affected_by is not None else self.packets.dropped_by


def parse(model: type[_Document], answer: str | bytes, source: str) -> _Document:
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
