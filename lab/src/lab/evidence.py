"""The figures that a verdict is derived from. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lab.emulation import EmulatorStats
from lab.run_document import Generator, LatencyMs, Pool, Totals

LATE_MS = 2.0
LATE_SHARE = 0.05
"""An emulator is late if events left more than so many milliseconds after their time, and more than this share of what
is emulated: for the link the round trip, for the mock the users' latency outside the pool."""

QUEUE_FULL = "503 upstream queue_full"
"""The error under which Locust counts requests that the mock refused because its queue was full."""

Emulator = Literal["link", "upstream"]
Quantile = Literal["p50", "p99"]


@dataclass(frozen=True)
class Evidence:
    """The figures of a run; None: not known.

    `cpu_cores` maps proxy, upstream, link and generator to mean cores used; `workers` is the number of proxy processes;
    `in_proxy_ms` is the mean time from a request's first step in the proxy to its last; `upstream_queue_ms` the mean
    wait for one of the upstream's `upstream_servers`, for which at most `upstream_places` requests may wait.
    """

    totals: Totals
    latency_ms: LatencyMs
    pool: Pool | None
    cpu_cores: Mapping[str, float | None]
    generator: Generator
    users: int = 0
    workers: int = 1
    errors: Mapping[str, int] = field(default_factory=dict)
    in_proxy_ms: float | None = None
    upstream_queue_ms: float | None = None
    upstream_servers: int | None = None
    upstream_places: int | None = None
    link: EmulatorStats | None = None
    mock: EmulatorStats | None = None
    rtt_ms: float = 0.0

    @property
    def pool_wait_ms(self) -> float:
        """Mean wait for a connection."""
        return (self.pool.wait_ms.mean or 0.0) if self.pool else 0.0

    @property
    def main_error(self) -> str:
        """The most frequent error; empty without any."""
        return max(self.errors, key=lambda kind: self.errors[kind], default="")

    @property
    def refused(self) -> int:
        """How many requests the upstream refused because its queue was full."""
        return self.errors.get(QUEUE_FULL, 0)

    def share_of_latency(self, milliseconds: float) -> float:
        """Return `milliseconds` as a fraction of mean user latency."""
        return milliseconds / self.latency_ms.mean if self.latency_ms.mean else 0.0

    def lateness(self, emulator: Emulator, quantile: Quantile) -> tuple[float, float] | None:
        """Return how late the emulator was and what would be tolerable, in ms; None if not late, or not known."""
        outside_pool_ms = (self.latency_ms.mean or 0.0) - self.pool_wait_ms
        stats, emulated_ms = (self.link, self.rtt_ms) if emulator == "link" else (self.mock, outside_pool_ms)
        distribution = stats.lateness_ms if stats else None
        found = None if distribution is None else distribution.p50 if quantile == "p50" else distribution.p99
        tolerable = max(LATE_MS, LATE_SHARE * emulated_ms)
        return None if found is None or found <= tolerable else (found, tolerable)
