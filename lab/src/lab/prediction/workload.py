"""A load and what its requests need, in seconds, and the forecast that is made of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from lab.conclusion import Figures
from lab.document_part import DocumentPart

_LONGEST_SECONDS = 86_400.0
_HALVINGS = 50

CPU_BEFORE_POOL = 0.35


@dataclass(frozen=True)
class ServiceTime:
    """How long the upstream works on a request. `strata` are shares of the requests and the time in the middle of each.

    `scv` is the squared coefficient of variation: 0 for a constant time, 1 for an exponential one.
    """

    mean_seconds: float
    scv: float
    strata: tuple[tuple[float, float], ...]

    @classmethod
    def constant(cls, seconds: float) -> "ServiceTime":
        return cls(seconds, 0.0, ((1.0, seconds),))


@dataclass(frozen=True)
class Workload:
    """A load and what its requests need.

    `users` make a closed load: each sends its next request `think_seconds` after the last is answered.
    `arrivals_per_second` make an open one instead; `arrivals_scv` is of the times between them: 1 for Poisson arrivals,
    0 for constant ones. `connections` and `max_in_flight` are per worker.

    A request needs a share of `cpu_before_pool` of the proxy's CPU before it asks for a connection. It holds that for
    its round trips (`travel_seconds`), the rest of the CPU, the link's bandwidth (`link_seconds` of all of it) and the
    upstream's work, which waits for one of `capacity` servers. The upstream answers a share of `error_share` by an
    error; a share of `opened_share` opens a connection. With users who start together and a constant upstream requests
    stay in bunches; `cpu_in_turns`: the CPU works on all of a bunch in turns.
    """

    users: int
    connections: int
    work: ServiceTime
    cpu_seconds: float
    cpu_before_pool: float = CPU_BEFORE_POOL
    travel_seconds: float = 0.0
    capacity: int | None = None
    workers: int = 1
    max_in_flight: int | None = None
    pool_timeout_seconds: float = math.inf
    arrivals_per_second: float | None = None
    arrivals_scv: float = 1.0
    think_seconds: float = 0.0
    generator_cpu_seconds: float = 0.0
    generator_processes: int = 1
    link_seconds: float = 0.0
    cpu_in_turns: bool = False
    start_together: bool = True
    error_share: float = 0.0
    opened_share: float = 0.0

    @property
    def bunched(self) -> bool:
        """Whether requests that start together end together."""
        return self.start_together and self.work.scv == 0


class Forecast(DocumentPart):
    """Figures of the steady window. Utilisations are shares of 1; `throughput_rps` counts requests that succeed.

    Means, p99 and shares are of all requests. `timed_out_share` gave up waiting for a connection, `failed_share` failed
    for that or another reason.
    """

    throughput_rps: float
    latency_mean_ms: float
    latency_p99_ms: float
    latency_p50_ms: float | None = None
    latency_p90_ms: float | None = None
    latency_p95_ms: float | None = None
    pool_wait_mean_ms: float
    pool_wait_p99_ms: float
    pool_utilisation: float
    cpu_utilisation: float
    generator_utilisation: float
    timed_out_share: float
    failed_share: float = 0.0

    @property
    def figures(self) -> Figures:
        """What objectives and promises are about."""
        return {
            "succeeded_rps": self.throughput_rps,
            "latency_mean_ms": self.latency_mean_ms,
            "latency_p50_ms": self.latency_p50_ms,
            "latency_p90_ms": self.latency_p90_ms,
            "latency_p95_ms": self.latency_p95_ms,
            "latency_p99_ms": self.latency_p99_ms,
            "failed_share": self.failed_share,
        }


Longer = Callable[[float], float]
"""The share of the requests for which something takes longer than so many seconds."""


def quantile_seconds(longer: Longer, share: float) -> float:
    """Return the time that a share of the requests does not exceed, by bisection."""
    if longer(0.0) <= 1 - share:
        return 0.0
    low, high = 0.0, 1e-3
    while longer(high) > 1 - share and high < _LONGEST_SECONDS:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if longer(middle) > 1 - share else (low, middle)
    return high


def plus_work(waits: Longer, work: ServiceTime, rest_seconds: float) -> Longer:
    """Return the tail of wait + work + a constant rest, wait and work taken as independent."""
    return lambda seconds: math.fsum(share * waits(seconds - rest_seconds - took) for share, took in work.strata)
