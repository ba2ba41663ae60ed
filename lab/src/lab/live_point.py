"""One second of a run as the live page shows it, from a run document of that second or of a whole run. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from lab.account.places import Owner, Place
from lab.run_document import RunDocument, SeriesPoint
from lab.wire.proxy import PoolStats


@dataclass(frozen=True)
class LivePoint:
    """A second of a run. Rates are of requests a second; what is not known is None, also whose failures are.

    `cores` used by each part, `machine` by all processes of it, of `machine_cores`; the loop's lag is the proxy's.
    """

    t_seconds: float
    users: int
    succeeded_rps: float
    failed_rps: Mapping[Owner | None, float] = field(default_factory=dict)
    p50_ms: float | None = None
    p99_ms: float | None = None
    first_byte_ms: float | None = None
    max_connections: int | None = None
    busy: float | None = None
    connecting: float | None = None
    idle: int | None = None
    waiting: float | None = None
    places_ms: Mapping[Place, float] = field(default_factory=dict)
    cores: Mapping[str, float | None] = field(default_factory=dict)
    machine_cores: int | None = None
    loop_lag_ms: float | None = None
    threads_busy: int | None = None
    threads_waiting: int | None = None
    threads_allowed: int | None = None


_SHORT = 0.5
"""Of the second: what is held or waited for less in the mean is counted within it."""


def live_point(
    second: RunDocument, t_seconds: float, users: int, pool: PoolStats | None, lag: float | None
) -> LivePoint:
    """Return a point: `second` is a run document of that second alone, `pool` is as it was at its end."""
    length, totals, host, account = second.window_seconds, second.totals, second.host, second.attribution
    failed: dict[Owner | None, float] = {}
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
        **(_gauges(pool) | _means(second)),
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
    owner = owners.pop() if len(owners) == 1 else None
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


def _means(second: RunDocument) -> dict[str, Any]:
    """Return connections and waiting requests over the second, by Little's law, where they come and go within it.

    A sample is of one moment: of users in step it may find all connections given back and none handed on yet. But what
    lasts for longer is counted when it ends, and then the sample is better.
    """
    pool, means = second.pool, dict[str, Any]()
    if pool is None or not pool.wait_ms.count:
        return means
    length_ms = second.window_seconds * 1000
    if pool.active_mean is not None and pool.active_mean * length_ms / pool.wait_ms.count < _SHORT * length_ms:
        phases = [(second.phases_ms or {}).get(name) for name in ("connect", "tls")]
        opening = sum((one.mean or 0.0) * one.count / length_ms for one in phases if one is not None)
        means["busy"] = round(max(pool.active_mean - opening, 0.0), 2)
        means["connecting"] = round(min(opening, pool.active_mean), 2)
    if pool.waiting_mean is not None and (pool.wait_ms.mean or 0.0) < _SHORT * length_ms:
        means["waiting"] = round(pool.waiting_mean, 2)
    return means


def _gauges(pool: PoolStats | None) -> dict[str, Any]:
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
