"""What the proxy answers: its configuration, its pool, its ledger."""

from pydantic import Field

from lab.wire.service import Histogram, Process, ServiceConfig, WireModel


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


class Holder(WireModel):
    """A request that holds a connection; `phase` is the ledger's, null if the request is over and still holds it."""

    worker: int = 0
    method: str = ""
    path: str = ""
    held_seconds: float = 0.0
    phase: str | None = None


class Threads(WireModel):
    """The threads of the `def` endpoints: those at work, how many there may be, and the calls that wait for one."""

    busy: int = 0
    allowed: int = 0
    waiting: int = 0


class ByTotal(WireModel):
    """Requests in classes of their whole time; the columns of a row as in `lab.account.request_classes`."""

    phases: list[str] = Field(default_factory=list)
    rows: list[list[float]] = Field(default_factory=list)


class PoolStats(WireModel):
    """The proxy's `/-/pool`, all workers together. Figures are null if the client library does not report them.

    `waiting_sampled` sums the requests without a connection over samples, `waiting_free` the part of them for which
    the pool had one, `waiting_opening` those that waited for the HTTP/2 connection that one of them opened. `lost`
    slots are taken for the client library, though no request holds them.
    """

    workers: int = 1
    max: int
    total: int | None
    active: int
    idle: int | None
    connecting: int | None = None
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
    waiting_opening: float = 0.0
    retried: int | None = None
    errors: dict[str, int] = Field(default_factory=dict)
    requests: RequestCount = RequestCount()
    leaked: int = 0
    lost: int = 0
    holders: list[Holder] = Field(default_factory=list)
    threads: Threads = Threads()
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
