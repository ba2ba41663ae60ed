"""The run document: everything one load run measured, in one JSON file (`runs/<id>.json`).

The schema is versioned; what is not measured (yet) is null, never a made-up zero. Units are in the names: `_ms`,
`_seconds`; `rps` is requests per second over the measured window. An alias is the name a field has in the file.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
)

from lab.wire import PythonProcess, Settings

Bottleneck = Literal["pool", "cpu", "upstream", "link", "loop", "failures", "none"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, serialize_by_alias=True)


class PartSettings(_Part):
    """The settings in force in the four parts; null for a part that did not answer."""

    load: Settings | None = None
    proxy: Settings | None = None
    network: Settings | None = None
    upstream: Settings | None = None


class SettingsAtEnds(_Part):
    """Settings when the run began and when it ended: a difference is a change meanwhile, by hand or by a restart."""

    start: PartSettings
    end: PartSettings


class Totals(_Part):
    """What Locust counted. `failures` are among `requests`."""

    requests: int
    failures: int
    rps: float

    @property
    def succeeded_rps(self) -> float:
        """Requests a second that did not fail: a quick error is no throughput."""
        return self.rps * (1 - self.failures / self.requests) if self.requests else 0.0


class LatencyMs(_Part):
    """Response times as Locust's users saw them; `histogram` maps milliseconds to a count of responses."""

    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
    histogram: dict[float, int] = Field(default_factory=dict)


class DistributionMs(_Part):
    """A distribution in short; null where there was nothing to measure."""

    count: int
    mean: float | None = None
    p50: float | None = None
    p99: float | None = None


class Pool(_Part):
    """The proxy's pool over the run, all workers together.

    `opened`, `reused` and `closed` are null where the client library does not report its connections.
    `active_mean` and `waiting_mean` are time averages by Little's law (time held, or waited, over the window's length).
    `leaked` connections are held, at the end, by requests that are over.
    """

    max: int
    opened: int | None
    reused: int | None
    closed: int | None
    timeouts: int
    active_max: int | None = None
    active_mean: float | None = None
    waiting_max: int | None = None
    waiting_mean: float | None = None
    leaked: int = 0
    wait_ms: DistributionMs


class PhaseMs(_Part):
    """How long one phase of the requests took. `share_of_slowest`: its part of the time of the slowest 1 %."""

    count: int
    mean: float | None = None
    p50: float | None = None
    p99: float | None = None
    share_of_slowest: float | None = None


class Ledger(_Part):
    """The proxy's ledger of the run: its finished requests one by one, `dropped` of them too old to be kept.

    The slowest 1 % are `slowest_requests`, each of `slowest_from_ms` or more.
    """

    entries: int
    dropped: int
    slowest_requests: int
    slowest_from_ms: float | None = None


class ProxyWitness(_Part):
    """The proxy's count of the run's requests: received = answered + failed + aborted."""

    received: int
    answered: int
    failed: int
    aborted: int


class UpstreamWitness(_Part):
    """The mock's count of the run's requests: started = completed + abandoned."""

    started: int
    completed: int
    abandoned: int


class ConnectionWitness(_Part):
    """Connections between proxy and upstream, as one end counted them during the run."""

    opened: int
    closed: int
    open_at_start: int
    open_at_end: int


class Witnesses(_Part):
    """Three counts of the same run; null for a witness that did not answer."""

    locust_requests: int
    locust_failures: int
    proxy: ProxyWitness | None = None
    upstream: UpstreamWitness | None = None
    proxy_connections: ConnectionWitness | None = None
    upstream_connections: ConnectionWitness | None = None


class AuditCheck(_Part):
    """One equation that must hold between the witnesses; `difference` is left minus right."""

    name: str
    left: int
    right: int
    difference: int
    message: str = Field(alias="says")


class Audit(_Part):
    """Whether every request and connection is accounted for. `missing` names witnesses that gave no figures."""

    agreed: bool
    checks: list[AuditCheck]
    missing: list[str] = Field(default_factory=list, alias="unheard")


class Generator(_Part):
    """Whether Locust itself was the limit. `cpu_cores` is CPU time over wall time, all its processes together."""

    cpu_cores: float | None = None
    processes: int = 1
    loop_lag_max_ms: float | None = None
    offered_rps: float | None = None
    achieved_rps: float | None = None
    cpu_warning: bool = False


class EmulatorStats(_Part):
    """How well an emulator kept up: the link, which stands for a network, or the mock, which stands for an upstream.

    `lateness_ms` is when events left minus when they were due, during the run. `cpu_cores` as in the document's own.
    `injected` counts what each network condition or fault was applied to, `refused` the requests that found the queue
    full. Null: not reported.
    """

    engine: str | None = None
    lateness_ms: DistributionMs | None = None
    cpu_cores: float | None = None
    injected: dict[str, int] | None = Field(default=None, alias="struck")
    refused: int | None = None


class Network(_Part):
    """The network of the run as the link describes it; `summary` is its conditions in a few words."""

    model_config = ConfigDict(extra="ignore", frozen=True, validate_by_name=True, serialize_by_alias=True)

    summary: str = Field(default="unknown", alias="says")
    engine: str | None = None
    because: str | None = None
    configured: Settings = Field(default_factory=dict)
    measured: dict[str, dict[str, float | None]] | None = None
    caveats: list[str] = Field(default_factory=list, validation_alias=AliasChoices("caveats", "limits"))

    @property
    def emulated(self) -> bool:
        """Whether anything was emulated."""
        return self.engine not in (None, "off")


class Verdict(_Part):
    """What limited the run, the figures that say so, and what to change."""

    bottleneck: Bottleneck
    because: str
    advice: str


class SeriesPoint(_Part):
    """One second of the run. `requests` and `failures` happened in it; the pool's gauges are samples."""

    t_seconds: float
    users: int
    requests: int
    failures: int
    p50_ms: float | None = None
    p99_ms: float | None = None
    pool_active: int | None = None
    pool_idle: int | None = None
    pool_waiting: int | None = None
    proxy_cpu_cores: float | None = None


class RunDocument(BaseModel):
    """One load run, whole. `notes` are lines to show to a user, about answers that could not be read.

    `tuning` and `python` are the proxy's: what makes it faster than it is in everybody's app, what its process found.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_version: Literal[1] = 1
    id: Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z_.-]{0,63}$")]
    label: str = ""
    mode: Literal["ui", "headless"]
    processes: int = 1
    status: Literal["finished", "interrupted", "reset"]
    started_at: datetime
    stopped_at: datetime
    window_seconds: float
    users: int
    settings: SettingsAtEnds
    versions: dict[str, dict[str, str] | None]
    tuning: list[str] = Field(default_factory=list)
    python: PythonProcess | None = None
    totals: Totals
    latency_ms: LatencyMs
    errors: dict[str, int]
    phases_ms: dict[str, PhaseMs | None] | None = None
    ledger: Ledger | None = None
    pool: Pool | None = None
    cpu_cores: dict[str, float | None]
    witnesses: Witnesses
    audit: Audit
    generator: Generator
    network: Network | None = None
    link: EmulatorStats | None = None
    upstream: EmulatorStats | None = None
    prediction: dict[str, JsonValue] | None = None
    verdict: Verdict
    series: list[SeriesPoint]
    notes: list[str] = Field(default_factory=list)
