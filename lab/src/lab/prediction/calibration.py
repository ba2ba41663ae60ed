"""What a request costs in CPU, measured once: the one thing that a prediction can't take from the settings.

From runs of 7 s with a constant upstream of 200 ms, one worker, sniffio absent, Python 3.11 on two shared cores.
Another machine may be faster or slower by half. What a service does when idle (`IDLE_CORES`: its sampler, being asked
for its figures) is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

GENERATOR_CPU_MS = 0.40
GENERATOR_IDLE_CORES = 0.020
IDLE_CORES = 0.012
HTTP2_STREAMS = 100
"""Of a connection: httpcore and httpcore2 use no more, and open no second one."""

SOURCE = "two shared cores, Python 3.11"


@dataclass(frozen=True)
class ClientCost:
    """A client library's CPU in the proxy, uvicorn and forwarding included.

    `cpu_ms` has the milliseconds a request takes while so many others wait for a connection, in rising order: httpcore
    goes through all that wait whenever a connection is free. `before_pool` is the share of it that comes before a
    request asks for a connection. `counts_busy_as_idle`: as soon as there are more connections than may be kept idle,
    an answered request's connection is closed, though others wait for one (encode/httpcore#1000). `http2_requests`: so
    many are on their way at most over HTTP/2 (httpcore opens one connection), 0 for as many as may
    have a connection; None: it doesn't speak HTTP/2. `without_sniffio`: the share of the CPU, with none waiting, that
    PROXY_SNIFFIO=present spares. `by_connections_ms`: what comes on top with so many connections open: httpcore 1.0
    counts the idle ones again for each that is idle. Beyond the 200 that were measured it grows as their square.
    """

    cpu_ms: tuple[tuple[int, float], ...]
    before_pool: float = 0.35
    counts_busy_as_idle: bool = False
    http2_requests: int | None = HTTP2_STREAMS
    without_sniffio: float = 0.0
    by_connections_ms: tuple[tuple[int, float], ...] = ((0, 0.0), (1, 0.0))

    def at(self, waiting: float, connections: float = 0.0) -> float:
        """Return the milliseconds with so many waiting, and so many connections open."""
        return _between(self.cpu_ms, waiting) + _between(self.by_connections_ms, connections)


def _between(points: tuple[tuple[int, float], ...], at: float) -> float:
    """Return the value between the measured points by a straight line, beyond them that of the nearest."""
    for (few, less), (many, more) in pairwise(points):
        if at <= many:
            return less + (more - less) * max(at - few, 0.0) / (many - few)
    return points[-1][1]


COSTS: Mapping[str, ClientCost] = {
    "httpx": ClientCost(
        ((0, 2.3), (10, 3.9), (50, 9.6), (200, 13.5)),
        counts_busy_as_idle=True,
        without_sniffio=0.25,
        by_connections_ms=((50, 0.0), (100, 3.5), (200, 20.0), (400, 80.0), (1000, 500.0)),
    ),
    "httpcore": ClientCost(((0, 1.4), (50, 5.1), (100, 15.0)), counts_busy_as_idle=True),
    "httpx2": ClientCost(((0, 1.5), (100, 1.6))),
    "aiohttp": ClientCost(((0, 0.65), (100, 0.65)), http2_requests=None),
    "pyreqwest": ClientCost(((0, 0.4), (100, 0.4)), http2_requests=0),
}
