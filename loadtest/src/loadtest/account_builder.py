"""The account of a span of time: what the services counted in it, put together for `lab.account`. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from lab.account.attribution import Attribution, Measured, TimeMs, attribution
from lab.account.division import Knowledge
from lab.account.failures import Causes, FailureCount, failures
from lab.account.request_classes import RequestClasses
from lab.wire.link import LinkStats, PathSums
from lab.wire.proxy import PoolStats
from lab.wire.service import Histogram, Process
from lab.witnesses import Witnesses
from loadtest.counter_deltas import SLOWEST_SHARE, grown, grown_by_name
from loadtest.snapshot import Snapshot
from loadtest.span import Span
from service_kit.histogram import difference, percentile

_FEWEST_KEPT = 5
_FEWEST_SAMPLES = 5.0


def attribution_of(span: Span, witnesses: Witnesses, *, bounded: bool, multiplexed: bool = False) -> Attribution | None:
    """Return where the users' time went; None if the proxy kept no phases, or was restarted.

    Not `bounded`: nothing limits the connections, so no request waits for one. `multiplexed`: requests share one.
    """
    start, end = span.before.pool, span.after.pool
    users = _times(span.counts.response_times, span.counts.total_ms)
    if start is None or end is None or users is None:
        return None
    classes = request_classes(start, end)
    if not classes.count:
        return None
    path = path_of(span.before.network, span.after.network)
    dropped = sum(_dropped(span.before, span.after).values())
    known = _knowledge(classes, path, start, end, swallowed_share(classes, witnesses, dropped), bounded=bounded)
    if multiplexed:
        known = _for_all(known, _sharing(classes, end, span.seconds))
    return attribution(Measured(users, _lag(start, end, span.seconds), classes), known)


def failures_of(whole: Span, witnesses: Witnesses) -> list[FailureCount]:
    """Return the failures of the whole run by their owners."""
    before, after = whole.before, whole.after
    start, end = before.pool, after.pool
    by_code: dict[str, int] = {}
    swallowed, network = 0.0, _dropped(before, after)
    if start is not None and end is not None:
        by_code = grown_by_name(start.errors, end.errors) or {}
        swallowed = swallowed_share(request_classes(start, end), witnesses, sum(network.values()))
    upstream = grown_by_name(*(each.upstream.faults if each.upstream else None for each in (before, after))) or {}
    first, last = (each.upstream.process.listen_overflows if each.upstream else None for each in (before, after))
    causes = Causes(
        by_code=by_code,
        network=network,
        upstream=sum(upstream.values()),
        left=_left(witnesses),
        swallowed_share=swallowed,
        no_descriptors=end is not None and _is_full(end.process),
        overflows=grown(first, last) or 0,
    )
    return failures(whole.counts.errors, causes)


def _left(witnesses: Witnesses) -> int:
    """Return how many requests ended by their callers' leaving, without that Locust counted them."""
    proxy = witnesses.proxy
    return min(proxy.aborted, proxy.received - witnesses.locust_requests) if proxy else 0


def _dropped(before: Snapshot, after: Snapshot) -> dict[str, int]:
    """Return what the link counted as dropped or reset meanwhile, by cause."""
    return grown_by_name(*(each.network.injected if each.network else None for each in (before, after))) or {}


def _is_full(process: Process) -> bool:
    """Say whether one of the proxy's workers had all its descriptors open at some time of the run."""
    limit = process.descriptor_limit
    return limit is not None and any(each.descriptors_max >= limit for each in process.workers)


def request_classes(start: PoolStats, end: PoolStats) -> RequestClasses:
    """Return the requests that ended between two answers of the proxy, by their whole time."""
    before, after = (RequestClasses.parse(each.by_total.phases, each.by_total.rows) for each in (start, end))
    return after.since(before)


def path_of(start: LinkStats | None, end: LinkStats | None) -> PathSums | None:
    """Return what the link charged in between; None without a link that keeps these sums, or after its restart."""
    if start is None or end is None or start.path_ms is None or end.path_ms is None:
        return None
    before, after = start.path_ms.model_dump(), end.path_ms.model_dump()
    added = {name: value - before[name] for name, value in after.items()}
    return PathSums(**added) if min(added.values()) >= 0 else None


def swallowed_share(classes: RequestClasses, witnesses: Witnesses, dropped: int = 0) -> float:
    """Return which part of the requests without a report the network lost: they did not arrive, or their answers.

    `dropped`: what the link counts of packets and connections. Beyond these a request that did not arrive was not taken
    by the upstream: its backlog was full, or it had ended the HTTP/2 connection. Without any the client library gave up
    the answers that the proxy did not pass on.
    """
    unreported, proxy, upstream = classes.between(0.0, 1.0).unreported, witnesses.proxy, witnesses.upstream
    if upstream is None or proxy is None or not unreported or not dropped:
        return 0.0
    lost = max(0, upstream.completed - proxy.answered)
    if proxy.sent is not None:
        lost += min(max(0, proxy.sent - upstream.started), dropped)
    return min(1.0, lost / unreported)


def _knowledge(
    classes: RequestClasses, path: PathSums | None, start: PoolStats, end: PoolStats, swallowed: float, *, bounded: bool
) -> Knowledge:
    everything = classes.between(0.0, 1.0)
    kept = everything.count - everything.opened
    waited = everything.spent_ms.get("network", 0.0) + everything.spent_ms.get("other", 0.0)
    free_share, opening_share = _waiting_shares(start, end)
    charged = path.model_dump() if path else {}
    per_request = {name: ms / everything.count for name, ms in charged.items()}
    connecting = everything.spent_ms.get("connect", 0.0)
    looked_up = end.lookups_ms.sum - start.lookups_ms.sum
    return Knowledge(
        lookup_share=min(max(looked_up, 0.0) / connecting, 1.0) if connecting else 0.0,
        round_trips=max(0.0, per_request.get("propagation", 0.0) - everything.mean_ms("tls")),
        loss=per_request.get("retransmission", 0.0),
        bandwidth_queue=per_request.get("bandwidth_queue", 0.0),
        handshake=max(0.0, per_request.get("handshake", 0.0) - everything.mean_ms("connect")),
        kept_wait=max(0.0, waited - everything.opened_wait_ms) / kept if kept >= _FEWEST_KEPT else None,
        free_share=free_share if bounded else 1.0,
        opening_share=opening_share if bounded else 0.0,
        swallowed_share=swallowed,
    )


def _sharing(classes: RequestClasses, end: PoolStats, seconds: float) -> float:
    """Return how many requests are on their way on an open connection in the mean (Little's law), at least one."""
    spent = classes.between(0.0, 1.0).spent_ms
    on_their_way = sum(spent.get(phase, 0.0) for phase in ("network", "other", "body")) / 1e3
    if not end.total or seconds <= 0:
        return 1.0
    return max(on_their_way / seconds / end.total, 1.0)


def _for_all(known: Knowledge, requests: float) -> Knowledge:
    """Charge so many requests for what a connection paid once: behind a lost packet all of its requests wait."""
    return replace(known, loss=known.loss * requests, bandwidth_queue=known.bandwidth_queue * requests)


def _waiting_shares(start: PoolStats, end: PoolStats) -> tuple[float, float]:
    """Return which part of the waiting for a connection was while one was free, and while one was opened for all."""
    sampled = end.waiting_sampled - start.waiting_sampled
    if sampled <= _FEWEST_SAMPLES:
        return 0.0, 0.0
    free, opening = end.waiting_free - start.waiting_free, end.waiting_opening - start.waiting_opening
    return max(0.0, free / sampled), max(0.0, opening / sampled)


def _lag(start: PoolStats, end: PoolStats, seconds: float) -> TimeMs:
    """Return how late the loop was: what was ready waited so long.

    The mean of the samples, or more: one that was held up for long was sampled once meanwhile, and what became ready
    at any moment of it waited half of it in the mean.
    """
    none = TimeMs(mean=0.0, p50=0.0, p99=0.0, slowest=0.0)
    lag = _times_since(start.loop_lag_ms, end.loop_lag_ms)
    if lag is None or seconds <= 0:
        return none
    added = difference(end.loop_lag_ms.histogram, start.loop_lag_ms.histogram)
    held_ms = sum(count * ms * ms / 2 for ms, count in added.items()) / (seconds * 1000 * max(1, end.workers))
    return lag.model_copy(update={"mean": max(lag.mean, held_ms)})


def _times_since(start: Histogram, end: Histogram) -> TimeMs | None:
    try:
        return _times(difference(end.histogram, start.histogram), end.sum - start.sum)
    except ValueError:  # restarted in between
        return None


def _times(histogram: Mapping[float, int], sum_ms: float) -> TimeMs | None:
    count = sum(histogram.values())
    p50, p99 = percentile(histogram, 0.50), percentile(histogram, 0.99)
    if p50 is None or p99 is None or sum_ms < 0:
        return None
    return TimeMs(mean=round(sum_ms / count, 4), p50=p50, p99=p99, slowest=slowest_mean(histogram))


def slowest_mean(histogram: Mapping[float, int]) -> float:
    """Return the mean of the slowest 1 %, at least of one."""
    most = max(1, round(sum(histogram.values()) * SLOWEST_SHARE))
    left, summed = most, 0.0
    for bound, count in sorted(histogram.items(), reverse=True):
        taken = min(count, left)
        left, summed = left - taken, summed + bound * taken
    return round(summed / most, 4)
