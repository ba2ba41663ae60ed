"""What a verdict is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.run_document import Generator, LatencyMs, Pool, StandIn, Totals


@dataclass(frozen=True)
class Evidence:
    """The figures of a run. `cpu_cores` maps proxy, upstream, link and generator to mean cores used; `workers` are the
    proxy's processes; `in_proxy_ms` is the mean time from a request's first step in the proxy to its last;
    `upstream_queue_ms` the mean wait for one of the upstream's `upstream_servers`, of which `upstream_places` may wait;
    `link` and `mock` how they kept up. None: not known.
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
    link: StandIn | None = None
    mock: StandIn | None = None
    rtt_ms: float = 0.0

    @property
    def pool_wait_ms(self) -> float:
        """Mean wait for a connection."""
        return (self.pool.wait_ms.mean or 0.0) if self.pool else 0.0

    def share_of_latency(self, milliseconds: float) -> float:
        """Return the part of the users' mean latency that a time is."""
        return milliseconds / self.latency_ms.mean if self.latency_ms.mean else 0.0
