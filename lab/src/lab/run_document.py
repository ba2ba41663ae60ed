"""The run document: everything one load run measured, in one JSON file (`runs/<id>.json`).

The schema is versioned; what is not measured (yet) is null, never a made-up zero. Units are in the names: `_ms`,
`_seconds`; `rps` is requests per second over the measured window.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from lab.account.attribution import Attribution
from lab.account.failures import FailureCount
from lab.account.window import RunPart, Window
from lab.calling_pattern import CallingPattern
from lab.conclusion import UNJUDGED, Figures, Verdict
from lab.document_part import DistributionMs, DocumentPart
from lab.emulation import EmulatorStats, Network
from lab.objective import ObjectiveOutcome
from lab.pool_figures import Closings, Pool
from lab.prediction.prediction import Prediction
from lab.run_name import RUN_ID
from lab.wire.proxy import PythonProcess
from lab.wire.service import VariableValues
from lab.witnesses import Arrivals, Audit, Witnesses

RunMode = Literal["ui", "headless"]
RunStatus = Literal["finished", "interrupted", "reset"]
"""`reset`: Locust's statistics were cleared in the course of it."""


class PartSettings(DocumentPart):
    """The settings in force in the four parts; null for a part that did not answer."""

    load: VariableValues | None = None
    proxy: VariableValues | None = None
    network: VariableValues | None = None
    upstream: VariableValues | None = None


class SettingsAtEnds(DocumentPart):
    """Settings when the run began and when it ended: a difference is a change meanwhile, by hand or by a restart.

    `derived` names variables that were left unset and are shown as what they came to: they follow from others.
    """

    start: PartSettings
    end: PartSettings
    derived: list[str] = Field(default_factory=list)


class Totals(DocumentPart):
    """What Locust counted. `failures` are among `requests`; `retries` are the proxy's, null where it did not answer."""

    requests: int
    failures: int
    rps: float
    retries: int | None = None

    @property
    def succeeded_rps(self) -> float:
        """Requests a second that did not fail: a quick error is no throughput."""
        return self.rps * (1 - self.failures / self.requests) if self.requests else 0.0


class LatencyMs(DocumentPart):
    """Response times as Locust's users saw them; `histogram` maps milliseconds to a count of responses."""

    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
    histogram: dict[float, int] = Field(default_factory=dict)


class KindFigures(DocumentPart):
    """The requests of one kind of user; `arrivals` where they have a schedule, whatever became of those before.

    `left` of the requests the user left before it had the whole answer; they have no response time.
    """

    kind: str
    requests: int
    failures: int
    rps: float
    latency_ms: LatencyMs
    arrivals: Arrivals | None = None
    left: int | None = None


class Host(DocumentPart):
    """The whole machine during the window. `busy_share` is of all its cores; null where the kernel does not report it.

    `throttled_seconds`: how long a CPU limit (cgroup) held a service's processes back, by service.
    `descriptors`: the most open ones and how many there may be, by service; of the proxy the most of the whole run.
    `listen_overflows`: connections that found the backlog of a listening socket full.
    """

    cores: int
    busy_share: float | None = None
    steal_share: float | None = None
    throttled_seconds: dict[str, float] = Field(default_factory=dict)
    descriptors: dict[str, tuple[int, int]] = Field(default_factory=dict)
    listen_overflows: int | None = None


class PhaseMs(DistributionMs):
    """How long one phase of the requests took. `share_of_slowest`: its part of the time of the slowest 1 %."""

    share_of_slowest: float | None = None


class SlowRequest(DocumentPart):
    """One of the slowest requests, as the proxy's ledger has it. Phases that took no time are left out."""

    total_ms: float
    phases_ms: dict[str, float]


class Ledger(DocumentPart):
    """The run's requests one by one, `dropped` of them too old; the slowest 1 % took `slowest_from_ms` or more each.

    `slowest` has the first of these.
    """

    entries: int
    dropped: int
    slowest_requests: int
    slowest_from_ms: float | None = None
    slowest: list[SlowRequest] = Field(default_factory=list)


class Generator(DocumentPart):
    """Whether Locust itself was the limit. `cpu_cores` is CPU time over wall time, all its processes together."""

    cpu_cores: float | None = None
    processes: int = 1
    loop_lag_max_ms: float | None = None
    cpu_warning: bool = False


class SeriesPoint(DocumentPart):
    """One second of the run. `requests` and `failures` happened in it; the pool's gauges are samples."""

    t_seconds: float
    part: RunPart | None = None
    users: int
    requests: int
    failures: int
    p50_ms: float | None = None
    p99_ms: float | None = None
    first_byte_p50_ms: float | None = None
    pool_active: int | None = None
    pool_idle: int | None = None
    pool_waiting: int | None = None
    proxy_cpu_cores: float | None = None


class RunDocument(BaseModel):
    """One load run, whole. `notes` are lines to show to a user, about answers that could not be read.

    All figures are of `window`, but for `whole`, `errors`, `failures`, what `link` and `upstream` did to requests,
    `witnesses`, `audit` and `series`, which are of the whole run; in version 1 of the schema all were. `tuning` and
    `python` are the proxy's: what makes it faster than it is in everybody's app, what its process found.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    schema_version: Literal[1, 2] = 2
    id: Annotated[str, Field(pattern=f"^{RUN_ID}$")]
    label: str = ""
    group: str = ""
    mode: RunMode
    processes: int = 1
    status: RunStatus
    started_at: datetime
    stopped_at: datetime
    window_seconds: float
    users: int
    settings: SettingsAtEnds
    pattern: CallingPattern | None = None
    versions: dict[str, dict[str, str] | None]
    tuning: list[str] = Field(default_factory=list)
    python: PythonProcess | None = None
    window: Window | None = None
    whole: Totals | None = None
    totals: Totals
    latency_ms: LatencyMs
    first_byte_ms: LatencyMs | None = None
    kinds: list[KindFigures] = Field(default_factory=list)
    errors: dict[str, int]
    failures: list[FailureCount] = Field(default_factory=list)
    attribution: Attribution | None = None
    phases_ms: dict[str, PhaseMs | None] | None = None
    ledger: Ledger | None = None
    pool: Pool | None = None
    closings: Closings | None = None
    host: Host | None = None
    cpu_cores: dict[str, float | None]
    witnesses: Witnesses
    audit: Audit
    generator: Generator
    network: Network | None = None
    link: EmulatorStats | None = None
    upstream: EmulatorStats | None = None
    prediction: Prediction | None = None
    objective: ObjectiveOutcome | None = None
    verdict: Verdict = UNJUDGED
    series: list[SeriesPoint]
    notes: list[str] = Field(default_factory=list)

    @property
    def figures(self) -> Figures:
        """What objectives and promises are about, as it was measured."""
        latency, totals = self.latency_ms, self.totals
        return {
            "succeeded_rps": totals.succeeded_rps if totals.requests else None,
            "latency_mean_ms": latency.mean,
            "latency_p50_ms": latency.p50,
            "latency_p90_ms": latency.p90,
            "latency_p95_ms": latency.p95,
            "latency_p99_ms": latency.p99,
            "failed_share": totals.failures / totals.requests if totals.requests else None,
        }
