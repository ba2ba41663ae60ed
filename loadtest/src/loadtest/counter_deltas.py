"""What a run added to the services' counters. Pure: two snapshots in, parts of the run document out.

The counters run since the services started; what a run added is the difference between its end and its beginning. A
service that was restarted in between has no such difference: its figures are null. The proxy's histograms count every
request, so means and percentiles are by difference; only the ledger knows a request's run, and which were the slowest.
"""

import math
from collections.abc import Mapping, Sequence

from lab.document_part import DistributionMs
from lab.pool_figures import Pool
from lab.run_document import Ledger, PhaseMs, SlowRequest
from lab.wire.mock import MockConnections, MockRun, MockStats
from lab.wire.proxy import LedgerEntry, LedgerPage, PoolStats
from lab.wire.service import Histogram, Process
from lab.witnesses import ConnectionWitness, ProxyWitness, UpstreamWitness
from loadtest.snapshot import Snapshot
from service_kit.histogram import difference, percentile

SLOWEST_SHARE = 0.01
SHOWN_REQUESTS = 12
"""So many of the slowest are in the run document."""


def pool_of(before: Snapshot, after: Snapshot, window_seconds: float) -> Pool | None:
    """Return what the run did to the proxy's pool, all its workers together."""
    answers = _of_one_proxy(before, after)
    if answers is None:
        return None
    start, end = answers
    opened, reused, closed = (
        grown(getattr(start, name), getattr(end, name)) for name in ("opened", "reused", "closed")
    )
    timeouts = end.timeouts - start.timeouts
    waits = distribution(start.wait_ms, end.wait_ms)
    if waits is None or min(timeouts, opened or 0, reused or 0, closed or 0) < 0:
        return None
    return Pool(
        max=end.max,
        opened=opened,
        reused=reused,
        closed=closed,
        timeouts=timeouts,
        active_max=end.run.active_max,
        active_mean=_time_average(end.hold_ms.sum - start.hold_ms.sum, window_seconds),
        waiting_max=end.run.waiting_max,
        waiting_mean=_time_average((waits.mean or 0.0) * waits.count, window_seconds),
        leaked=end.leaked,
        lost=end.lost,
        open_at_end=end.total,
        wait_ms=waits,
    )


def retries(before: Snapshot, after: Snapshot) -> int | None:
    """Return how many tries were repeated; None if it is not known."""
    answers = _of_one_proxy(before, after)
    return grown(*(each.retried for each in answers)) if answers else None


def phases_of(before: Snapshot, after: Snapshot, slowest: Sequence[LedgerEntry]) -> dict[str, PhaseMs | None] | None:
    """Return each phase of the run's requests, null where nothing was measured; None if the proxy keeps no phases."""
    start, end = (snapshot.pool.phases_ms if snapshot.pool else {} for snapshot in (before, after))
    shares = shares_of(slowest)
    return {name: _phase(start.get(name, Histogram()), end[name], shares.get(name)) for name in end} or None


def ledger_of(ledger: LedgerPage, run_id: str) -> tuple[Ledger, list[LedgerEntry]]:
    """Return the ledger's summary of the run, and its slowest entries."""
    ours = [entry for entry in ledger.entries if entry.run == run_id]
    by_time = sorted(ours, key=lambda entry: entry.total_ms, reverse=True)
    slowest = by_time[: max(1, int(len(by_time) * SLOWEST_SHARE))] if by_time else []
    summary = Ledger(
        entries=len(ours),
        dropped=ledger.dropped,
        slowest_requests=len(slowest),
        slowest_from_ms=slowest[-1].total_ms if slowest else None,
        slowest=[_slow_request(entry) for entry in by_time[:SHOWN_REQUESTS]],
    )
    return summary, slowest


def _slow_request(entry: LedgerEntry) -> SlowRequest:
    phases = {name: round(ms, 3) for name, ms in entry.phases_ms.items() if ms and name != "total"}
    return SlowRequest(total_ms=round(entry.total_ms, 3), phases_ms=phases)


def shares_of(entries: Sequence[LedgerEntry]) -> dict[str, float]:
    """Return each phase's share of the entries' summed time; a phase that is null counts nothing."""
    total = sum(entry.total_ms for entry in entries)
    if not total:
        return {}
    shares = {"total": 1.0}
    for entry in entries:
        for name, milliseconds in entry.phases_ms.items():
            shares[name] = shares.get(name, 0.0) + (milliseconds or 0.0) / total
    return {name: round(share, 4) for name, share in shares.items()}


def proxy_witness(before: Snapshot, after: Snapshot, run_id: str) -> ProxyWitness | None:
    """Return the proxy's count of the run's requests.

    1. Its newest run is ours: those counts, less what they were before. 2. Its newest run is still the one from before:
    it received none of ours. 3. Another run has taken over since, or it does not answer: not known.
    """
    if after.pool is None:
        return None
    run = after.pool.run
    if run.id == run_id:
        counts = run.model_dump(include=set(ProxyWitness.model_fields))
        earlier = before.pool.run.model_dump() if before.pool is not None and before.pool.run.id == run_id else {}
        return ProxyWitness(**{name: grown(earlier.get(name), count) for name, count in counts.items()})
    if run.id is None or (before.pool is not None and run.id == before.pool.run.id):
        return ProxyWitness(**dict.fromkeys(ProxyWitness.model_fields, 0))
    return None


def upstream_witness(before: Snapshot, after: Snapshot, run_id: str) -> UpstreamWitness | None:
    """Return the mock's count of the run's requests between; zeros if it answers and has not seen the run."""
    if after.upstream is None:
        return None
    run = after.upstream.runs.get(run_id, MockRun())
    then = before.upstream.runs.get(run_id, MockRun()) if before.upstream else MockRun()
    return UpstreamWitness(
        started=run.started - then.started,
        completed=run.completed - then.completed,
        abandoned=run.abandoned - then.abandoned,
    )


def proxy_connections(before: Snapshot, after: Snapshot) -> ConnectionWitness | None:
    """Return the proxy's count of its connections during the run; None if its client library does not report them."""
    answers = _of_one_proxy(before, after)
    if answers is None:
        return None
    start, end = answers
    if end.opened is None:
        return None
    return _connections(
        (start.opened or 0, start.closed or 0, start.total or 0), (end.opened, end.closed or 0, end.total or 0)
    )


def upstream_connections(before: Snapshot, after: Snapshot) -> ConnectionWitness | None:
    """Return the mock's count of the connections that carried a request; a health probe's carries none."""
    if before.upstream is None or after.upstream is None or _restarted(before.upstream, after.upstream):
        return None
    return _connections(_carrying(before.upstream.connections), _carrying(after.upstream.connections))


def cpu_cores(before: Snapshot, after: Snapshot, generator: float | None) -> dict[str, float | None]:
    """Return the mean cores each service used between the snapshots: CPU seconds over wall seconds."""
    start, end, wall_seconds = before.processes, after.processes, after.at - before.at
    cores = {
        name: cores_used(start[name], end[name], wall_seconds) if name in start and name in end else None
        for name in ("proxy", "upstream", "link")
    }
    return {**cores, "generator": generator}


def cores_used(start: Process, end: Process, wall_seconds: float) -> float | None:
    """Return CPU time over wall time; None if it is not known, or the process was restarted."""
    if start.cpu_seconds is None or end.cpu_seconds is None or wall_seconds <= 0:
        return None
    return (
        round((end.cpu_seconds - start.cpu_seconds) / wall_seconds, 3) if end.cpu_seconds >= start.cpu_seconds else None
    )


def _of_one_proxy(before: Snapshot, after: Snapshot) -> tuple[PoolStats, PoolStats] | None:
    """Return the proxy's two answers; None without one, or if it was restarted in between.

    Then they have no worker in common, or counters that fell.
    """
    start, end = before.pool, after.pool
    if start is None or end is None or end.requests.received < start.requests.received:
        return None
    first, last = ({worker.pid for worker in answer.process.workers} for answer in (start, end))
    return None if first and last and not first & last else (start, end)


def grown(start: int | None, end: int | None) -> int | None:
    """Return what a counter grew by; None if it is null, for a client library that does not report it."""
    return None if end is None else end - (start or 0)


def grown_by_name(start: Mapping[str, int] | None, end: Mapping[str, int] | None) -> dict[str, int] | None:
    """Return what each counter grew by; None if one end is not known, or a counter fell: it was reset meanwhile."""
    if start is None or end is None:
        return None
    added = {name: end.get(name, 0) - start.get(name, 0) for name in {**start, **end}}
    return added if min(added.values(), default=0) >= 0 else None


def distribution(start: Histogram, end: Histogram) -> DistributionMs | None:
    """Return what a run added to one of the proxy's histograms; None if it was reset meanwhile."""
    count = end.count - start.count
    try:
        added = difference(end.histogram, start.histogram)
    except ValueError:
        return None
    if count < 0:
        return None
    return DistributionMs(
        count=count,
        mean=round((end.sum - start.sum) / count, 3) if count else None,
        p50=_finite(percentile(added, 0.50)),
        p99=_finite(percentile(added, 0.99)),
    )


def _phase(start: Histogram, end: Histogram, share: float | None) -> PhaseMs | None:
    took = distribution(start, end)
    if took is None or took.count == 0:
        return None
    return PhaseMs(**took.model_dump(), share_of_slowest=share)


def _carrying(connections: MockConnections) -> tuple[int, int, int]:
    """Return accepted, closed and open connections, without those that carried no request."""
    closed_unused, open_unused = connections.without_request, connections.open_without_request
    return (
        connections.accepted - closed_unused - open_unused,
        connections.closed - closed_unused,
        connections.open - open_unused,
    )


def _connections(start: tuple[int, int, int], end: tuple[int, int, int]) -> ConnectionWitness | None:
    """Both are (opened, closed, open now)."""
    opened, closed = end[0] - start[0], end[1] - start[1]
    if min(opened, closed) < 0:
        return None
    return ConnectionWitness(opened=opened, closed=closed, open_at_start=start[2], open_at_end=end[2])


def _restarted(start: MockStats, end: MockStats) -> bool:
    return end.process.uptime_seconds < start.process.uptime_seconds


def _time_average(milliseconds: float, window_seconds: float) -> float | None:
    """Little's law: time spent in a state, summed over requests, over the length of the window."""
    return round(milliseconds / 1000 / window_seconds, 3) if window_seconds > 0 else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
