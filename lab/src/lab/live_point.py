"""One second of a run as the live page shows it, from a run document of that second or of a whole run. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from lab.account.places import Owner, Place
from lab.run_document import RunDocument, SeriesPoint
from lab.wire.proxy import PoolStats


@dataclass(frozen=True)
class LivePoint:
    """A second of a run. Rates are of requests a second; what is not known is None.

    `cores` used by each part, `machine` by all processes of it, of `machine_cores`; the loop's lag is the proxy's.
    """

    t_seconds: float
    users: int
    succeeded_rps: float
    failed_rps: Mapping[Owner, float] = field(default_factory=dict)
    p50_ms: float | None = None
    p99_ms: float | None = None
    first_byte_ms: float | None = None
    max_connections: int | None = None
    busy: int | None = None
    connecting: int | None = None
    idle: int | None = None
    waiting: int | None = None
    places_ms: Mapping[Place, float] = field(default_factory=dict)
    cores: Mapping[str, float | None] = field(default_factory=dict)
    machine_cores: int | None = None
    loop_lag_ms: float | None = None
    threads_busy: int | None = None
    threads_waiting: int | None = None
    threads_allowed: int | None = None


def live_point(
    second: RunDocument, t_seconds: float, users: int, pool: PoolStats | None, lag: float | None
) -> LivePoint:
    """Return a point: `second` is a run document of that second alone, `pool` is as it was at its end."""
    length, totals, host, account = second.window_seconds, second.totals, second.host, second.attribution
    failed: dict[Owner, float] = {}
    for one in second.failures:
        failed[one.owner] = failed.get(one.owner, 0.0) + one.count / length
    machine = host.busy_share * host.cores if host and host.busy_share is not None else None
    return LivePoint(
        t_seconds=round(t_seconds, 2),
        users=users,
        succeeded_rps=round((totals.requests - totals.failures) / length, 2),
        failed_rps={owner: round(rate, 2) for owner, rate in failed.items()},
        p50_ms=second.latency_ms.p50,
        p99_ms=second.latency_ms.p99,
        first_byte_ms=second.first_byte_ms.p50 if second.first_byte_ms else None,
        places_ms={one.place: round(one.ms.mean, 3) for one in account.places if one.ms.mean} if account else {},
        cores={**second.cpu_cores, "machine": machine},
        machine_cores=host.cores if host else None,
        loop_lag_ms=lag,
        **_gauges(pool),
    )


def points_of(run: RunDocument) -> list[LivePoint]:
    """Return the points of a run that was saved: what its document has of each second."""
    ends = [0.0, *(point.t_seconds for point in run.series)]
    return [
        _saved(run, point, max(end - start, 0.1))
        for point, (start, end) in zip(run.series, pairwise(ends), strict=True)
    ]


def _saved(run: RunDocument, point: SeriesPoint, seconds: float) -> LivePoint:
    owners = {one.owner for one in run.failures}
    owner: Owner = next(iter(owners)) if len(owners) == 1 else "proxy"
    return LivePoint(
        t_seconds=point.t_seconds,
        users=point.users,
        succeeded_rps=round((point.requests - point.failures) / seconds, 2),
        failed_rps={owner: round(point.failures / seconds, 2)} if point.failures else {},
        p50_ms=point.p50_ms,
        p99_ms=point.p99_ms,
        first_byte_ms=point.first_byte_p50_ms,
        max_connections=run.pool.max if run.pool else None,
        busy=point.pool_active,
        idle=point.pool_idle,
        waiting=point.pool_waiting,
        cores={"proxy": point.proxy_cpu_cores},
    )


def _gauges(pool: PoolStats | None) -> dict[str, int | None]:
    if pool is None:
        return {}
    connecting, threads = pool.connecting or 0, pool.threads
    return {
        "max_connections": pool.max,
        "busy": max(pool.active - connecting, 0),
        "connecting": pool.connecting,
        "idle": pool.idle,
        "waiting": pool.waiting,
        "threads_busy": threads.busy,
        "threads_waiting": threads.waiting,
        "threads_allowed": threads.allowed,
    }
