"""What the mock upstream answers on its control port: its configuration, its faults, its counts."""

from pydantic import Field

from lab.wire.service import Histogram, Process, ServiceConfig, WireModel


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
    """The mock's queue: how many requests found it full."""

    refused: int | None = None


class RunExecutions(WireModel):
    """How often one run's POSTs and PATCHes were executed, by their idempotency keys: `times` counts the keys."""

    ids: int = 0
    executions: int = 0
    times: dict[str, int] = Field(default_factory=dict)


class MockExecutions(WireModel):
    """The mock's `/-/executions`; the oldest keys are forgotten."""

    runs: dict[str, RunExecutions]
    forgotten: int = 0


class MockStats(WireModel):
    """The mock's `/-/stats`. `faults` counts the requests that each fault was injected into."""

    connections: MockConnections
    runs: dict[str, MockRun]
    capacity: MockCapacity = MockCapacity()
    lateness_ms: Histogram | None = None
    faults: dict[str, int] | None = None
    process: Process = Process()
