"""What a run added to the processes' own figures: the machine, each worker, who closed the connections. Pure."""

import os

from lab.pool_figures import Closings, PoolWorker
from lab.run_document import Host
from lab.wire.service import Process
from loadtest.counter_deltas import grown, grown_by_name
from loadtest.span import Span
from service_kit.process_figures import HostCpu


def workers_of(span: Span) -> list[PoolWorker]:
    """Return each of the proxy's workers that was there from the beginning to the end."""
    start, end = span.before.pool, span.after.pool
    if start is None or end is None or span.seconds <= 0:
        return []
    before = {worker.pid: worker for worker in start.process.workers}
    rows = []
    for now in end.process.workers:
        then = before.get(now.pid)
        if then is None or now.requests < then.requests:
            continue
        waited, waits = now.wait_ms.sum - then.wait_ms.sum, now.wait_ms.count - then.wait_ms.count
        rows.append(
            PoolWorker(
                pid=now.pid,
                requests=now.requests - then.requests,
                active_mean=round((now.hold_ms.sum - then.hold_ms.sum) / 1000 / span.seconds, 3),
                waiting_mean=round(waited / 1000 / span.seconds, 3),
                wait_mean_ms=round(waited / waits, 3) if waits > 0 else None,
                timeouts=now.timeouts - then.timeouts,
                cpu_cores=round((now.cpu_seconds - then.cpu_seconds) / (span.after.at - span.before.at), 3),
            )
        )
    return rows


def closings_of(span: Span) -> Closings | None:
    """Return who closed the upstream's connections; None if the mock does not answer, or was reset meanwhile."""
    if span.before.upstream is None or span.after.upstream is None:
        return None
    by = grown_by_name(*(each.connections.closed_by for each in (span.before.upstream, span.after.upstream)))
    if not by:
        return None
    idle, reset = by.get("server-idle", 0), by.get("client-reset", 0)
    seen = grown_by_name(*(each.pool.closed_after if each.pool else None for each in (span.before, span.after))) or {}
    return Closings(
        by_client=by.get("client", 0) + reset,
        by_upstream=by.get("server", 0) + idle,
        idle=idle,
        reset=reset,
        found_ended=seen.get("end"),
        expired=seen.get("idle"),
    )


def host_of(span: Span) -> Host:
    """Return what the machine did meanwhile."""
    before, after = span.before.processes, span.after.processes
    throttled = {
        name: round(now.throttled_seconds - (before[name].throttled_seconds or 0.0), 3)
        for name, now in after.items()
        if name in before and now.throttled_seconds is not None
    }
    busy, steal = _shares(span.before.host_cpu, span.after.host_cpu)
    overflows = [
        grown(before[name].listen_overflows, now.listen_overflows) for name, now in after.items() if name in before
    ]
    # the services may share a network namespace, and then all report the same
    return Host(
        cores=os.cpu_count() or 1,
        busy_share=busy,
        steal_share=steal,
        throttled_seconds=throttled,
        descriptors={
            name: (_descriptors(now), now.descriptor_limit) for name, now in after.items() if now.descriptor_limit
        },
        listen_overflows=max((count for count in overflows if count is not None), default=None),
    )


def _descriptors(process: Process) -> int:
    return max([process.descriptors, *(max(each.descriptors, each.descriptors_max) for each in process.workers)])


def _shares(start: HostCpu | None, end: HostCpu | None) -> tuple[float | None, float | None]:
    """Return the busy and the stolen share of the machine's time."""
    if start is None or end is None or end.seconds <= start.seconds:
        return None, None
    seconds = end.seconds - start.seconds
    busy, stolen = end.busy_seconds - start.busy_seconds, end.stolen_seconds - start.stolen_seconds
    return round(busy / seconds, 4), round(stolen / seconds, 4)
