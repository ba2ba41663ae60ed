"""A run's figures out of two snapshots of the other parts' counters. Pure: answers in, parts of the document out.

The counters run since the parts started; what a run added is the difference between its end and its beginning. A part
that was restarted in between has no such difference: its figures are null.
"""

import math

from lab.run_document import ConnectionWitness, DistributionMs, Pool, ProxyWitness, UpstreamWitness
from loadtest.service_snapshots import Answer, Snapshot, number, section
from service_kit.histogram import difference, parse_buckets, percentile


def pool_figures(before: Snapshot, after: Snapshot, window_seconds: float) -> Pool | None:
    """Return what the run did to the proxy's pool, all its workers together."""
    start, end = before.pool, after.pool
    if start is None or end is None or proxy_restarted(start, end):
        return None
    timeouts = int(number(end, "timeouts") - number(start, "timeouts"))
    added = {name: _added(start, end, name) for name in ("opened", "reused", "closed")}
    waits = distribution(section(start, "wait_ms"), section(end, "wait_ms"))
    if waits is None or min(timeouts, *(count or 0 for count in added.values())) < 0:
        return None
    held_ms = number(section(end, "hold_ms"), "sum") - number(section(start, "hold_ms"), "sum")
    waited_ms = (waits.mean or 0.0) * waits.count
    run = section(end, "run")
    return Pool(
        max=int(number(end, "max")),
        opened=added["opened"],
        reused=added["reused"],
        closed=added["closed"],
        timeouts=timeouts,
        active_max=_whole(run, "active_max"),
        active_mean=_time_average(held_ms, window_seconds),
        waiting_max=_whole(run, "waiting_max"),
        waiting_mean=_time_average(waited_ms, window_seconds),
        leaked=_whole(end, "leaked") or 0,
        wait_ms=waits,
    )


def proxy_witness(before: Snapshot, after: Snapshot, run_id: str) -> ProxyWitness | None:
    """Return the proxy's count of the run's requests.

    1. It counted our run: those counts. 2. Its newest run is still the one from before: none of ours came.
    3. Another run has taken over since, or it does not answer: it cannot say.
    """
    if after.pool is None:
        return None
    run = section(after.pool, "run")
    if run.get("id") == run_id:
        return ProxyWitness(**{name: int(number(run, name)) for name in ("received", "answered", "failed", "aborted")})
    if run.get("id") in (None, section(before.pool, "run").get("id")):
        return ProxyWitness(received=0, answered=0, failed=0, aborted=0)
    return None


def upstream_witness(after: Snapshot, run_id: str) -> UpstreamWitness | None:
    """Return the mock's count of the run's requests; zeros if it answers and has not seen the run."""
    if after.upstream is None or not isinstance(after.upstream.get("runs"), dict):
        return None
    run = section(after.upstream, "runs", run_id)
    return UpstreamWitness(**{name: int(number(run, name)) for name in ("started", "completed", "abandoned")})


def proxy_connections(before: Snapshot, after: Snapshot) -> ConnectionWitness | None:
    """Return the proxy's count of its connections during the run; None if its client library tells nothing of them."""
    if before.pool is None or after.pool is None or proxy_restarted(before.pool, after.pool):
        return None
    if _added(before.pool, after.pool, "opened") is None:
        return None
    return _connections(before.pool, after.pool, "opened", "closed", "total")


def upstream_connections(before: Snapshot, after: Snapshot) -> ConnectionWitness | None:
    """Return the mock's count of the connections that carried a request; a health probe's carries none."""
    if before.upstream is None or after.upstream is None or _younger(before.upstream, after.upstream):
        return None
    start, end = (_carrying(section(answer, "connections")) for answer in (before.upstream, after.upstream))
    return _connections(start, end, "accepted", "closed", "open")


def _carrying(connections: Answer) -> Answer:
    closed_unused, open_unused = number(connections, "without_request"), number(connections, "open_without_request")
    return {
        "accepted": number(connections, "accepted") - closed_unused - open_unused,
        "closed": number(connections, "closed") - closed_unused,
        "open": number(connections, "open") - open_unused,
    }


def upstream_queue_ms(before: Snapshot, after: Snapshot) -> float | None:
    """Return the mean wait for one of the mock's servers; None if it did not tell."""
    if before.upstream is None or after.upstream is None or _younger(before.upstream, after.upstream):
        return None
    start, end = (section(answer, "capacity", "waited_ms") for answer in (before.upstream, after.upstream))
    count = number(end, "count") - number(start, "count")
    return round((number(end, "sum") - number(start, "sum")) / count, 3) if count > 0 else None


def upstream_servers(snapshot: Snapshot) -> int | None:
    """Return how many requests the mock works on at once; None if without limit."""
    return _whole(section(snapshot.upstream, "capacity"), "servers")


def upstream_places(snapshot: Snapshot) -> int | None:
    """Return how many requests may wait for one of the mock's servers; None if without limit."""
    return _whole(section(snapshot.upstream, "capacity"), "queue")


def cpu_cores(before: Snapshot, after: Snapshot, generator: float | None) -> dict[str, float | None]:
    """Return the mean cores each part used between the snapshots: CPU seconds over wall seconds."""
    pairs = {
        "proxy": (before.pool, after.pool),
        "upstream": (before.upstream, after.upstream),
        "link": (before.network, after.network),
    }
    cores = {part: _cores(start, end, after.at - before.at) for part, (start, end) in pairs.items()}
    return {**cores, "generator": generator}


def proxy_workers(snapshot: Snapshot) -> int:
    """Return how many processes the proxy has."""
    return max(1, int(number(snapshot.pool or {}, "workers")))


def proxy_restarted(start: Answer, end: Answer) -> bool:
    """Whether the two answers come from different lives of the proxy: no worker in common, or counters that fell."""
    before, after = (_pids(answer) for answer in (start, end))
    fell = number(section(end, "requests"), "received") < number(section(start, "requests"), "received")
    return fell or bool(before and after and not before & after)


def _pids(answer: Answer) -> set[int]:
    workers = section(answer, "process").get("workers")
    return {int(number(worker, "pid")) for worker in workers} if isinstance(workers, list) else set()


def _younger(start: Answer, end: Answer) -> bool:
    return number(section(end, "process"), "uptime_seconds") < number(section(start, "process"), "uptime_seconds")


def _added(start: Answer, end: Answer, name: str) -> int | None:
    """Return what a counter grew by; None if it is null, for a client library that does not tell."""
    return None if end.get(name) is None else int(number(end, name) - number(start, name))


def _connections(start: Answer, end: Answer, opened: str, closed: str, current: str) -> ConnectionWitness | None:
    grown = [int(number(end, name) - number(start, name)) for name in (opened, closed)]
    if min(grown) < 0:
        return None
    return ConnectionWitness(
        opened=grown[0],
        closed=grown[1],
        open_at_start=int(number(start, current)),
        open_at_end=int(number(end, current)),
    )


def distribution(start: Answer, end: Answer) -> DistributionMs | None:
    """Return what a run added to one of the proxy's histograms; None if it was reset meanwhile."""
    try:
        histogram = difference(parse_buckets(end), parse_buckets(start))
    except ValueError:
        return None
    count = int(number(end, "count") - number(start, "count"))
    total_ms = number(end, "sum") - number(start, "sum")
    if count < 0:
        return None
    return DistributionMs(
        count=count,
        mean=round(total_ms / count, 3) if count else None,
        p50=_finite(percentile(histogram, 0.50)),
        p99=_finite(percentile(histogram, 0.99)),
    )


def _cores(start: Answer | None, end: Answer | None, wall_seconds: float) -> float | None:
    before, after = (section(answer, "process").get("cpu_seconds") for answer in (start, end))
    if not (isinstance(before, int | float) and isinstance(after, int | float)):
        return None
    return round((after - before) / wall_seconds, 3) if wall_seconds > 0 and after >= before else None


def _time_average(milliseconds: float, window_seconds: float) -> float | None:
    """Little's law: time spent in a state, summed over requests, over the length of the window."""
    return round(milliseconds / 1000 / window_seconds, 3) if window_seconds > 0 else None


def _whole(answer: Answer, key: str) -> int | None:
    return int(answer[key]) if isinstance(answer.get(key), int | float) else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
