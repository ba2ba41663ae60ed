"""The span of a run that its figures are of, and the account of it, from hand-made counters."""

from dataclasses import replace
from typing import Any

import pytest

from lab.account.places import Place
from lab.account.window import Window
from lab.wire.link import LinkStats
from lab.wire.mock import MockStats
from lab.wire.proxy import PoolStats
from lab.wire.service import Histogram
from lab.witnesses import ProxyWitness, UpstreamWitness, Witnesses
from loadtest.account_builder import attribution_of, request_classes, slowest_mean, swallowed_share
from loadtest.locust_stats import Counts
from loadtest.process_deltas import closings_of, host_of, workers_of
from loadtest.snapshot import Snapshot
from loadtest.span import Moment, Span, steady_span
from service_kit.process_figures import HostCpu

PHASES = ["pool_wait", "network", "upstream", "proxy"]
WITNESSES = Witnesses(locust_requests=200, locust_failures=0)


def stats(rows: list[list[float]], **changes: Any) -> PoolStats:
    """The proxy's counters; each row is (below, requests, ms by phase, the four figures of new and silent ones)."""
    count = sum(row[1] for row in rows)
    total = Histogram(
        count=int(count), sum=sum(sum(row[2:6]) for row in rows), histogram={row[0]: int(row[1]) for row in rows}
    )
    figures: dict[str, Any] = {
        "max": 10,
        "total": 10,
        "active": 0,
        "idle": 10,
        "waiting": 0,
        "opened": 10,
        "reused": 0,
        "closed": 0,
        "timeouts": 0,
        "wait_ms": Histogram(),
        "hold_ms": Histogram(),
        "phases_ms": {"total": total},
        "by_total": {"phases": PHASES, "rows": rows},
    }
    return PoolStats.model_validate(figures | changes)


def row(below: float, count: int, *spent: float, opened_ms: float = 0, opened: int = 0, silent: int = 0) -> list[float]:
    return [below, count, *(each * count for each in spent), opened_ms, opened, 0.0, silent]


BEFORE = stats([row(300.0, 50, 200.0, 1.0, 50.0, 1.0)])
AFTER = stats(
    [row(200.0, 200, 97.0, 2.0, 100.0, 1.0), row(300.0, 50, 200.0, 1.0, 50.0, 1.0)],
    loop_lag_ms={"count": 100, "sum": 100.0, "histogram": {"1.0": 100}},
)
COUNTS = Counts(200, 0, 40_600.0, 203.0, None, {203.0: 200})


def of(before: PoolStats | None, after: PoolStats | None, counts: Counts = COUNTS, **both: Any) -> Span:
    window = Window(begin_seconds=0.0, end_seconds=4.0, steady=True)
    return Span(window, Snapshot(10.0, pool=before, **both), Snapshot(14.0, pool=after, **both), counts, 0.2)


def test_the_account_is_of_what_the_span_added() -> None:
    """Fifty requests from before it waited 200 ms each for a connection."""
    found = attribution_of(of(BEFORE, AFTER), WITNESSES, bounded=True)
    assert found is not None
    means = {each.place: each.ms.mean for each in found.places}
    assert means == {
        Place.UPSTREAM_WORK: 100.0,
        Place.POOL_WAIT: 97.0,
        Place.EVENT_LOOP: pytest.approx(2.0),  # the lag twice: before the request was read, and before its answer was
        Place.CALLER_SIDE: pytest.approx(2.0),
        Place.ROUND_TRIPS: pytest.approx(1.0),
        Place.PROXY_CPU: 1.0,
    }


def test_waits_beside_free_connections_are_the_loops_and_so_are_those_that_nothing_bounds() -> None:
    half = AFTER.model_copy(update={"waiting_sampled": 100.0, "waiting_free": 50.0})
    for after, bounded, waited in ((half, True, 48.5), (AFTER, False, 0.0)):
        found = attribution_of(of(BEFORE, after), WITNESSES, bounded=bounded)
        assert found is not None
        assert found.mean_ms(Place.POOL_WAIT) == pytest.approx(waited)


def test_waits_while_a_connection_is_opened_for_all_are_connecting() -> None:
    after = AFTER.model_copy(update={"waiting_sampled": 100.0, "waiting_opening": 40.0})
    found = attribution_of(of(BEFORE, after), WITNESSES, bounded=True)
    assert found is not None
    assert found.mean_ms(Place.CONNECT) == pytest.approx(0.4 * 97)
    assert found.mean_ms(Place.POOL_WAIT) == pytest.approx(0.6 * 97)


def charged(before: PoolStats, after: PoolStats, **charges: float) -> Span:
    """A span in which the link charged its connections so many ms."""
    sums = {"propagation": 0.0, "retransmission": 0.0, "bandwidth_queue": 0.0, "handshake": 0.0, "connections": 0}
    seen = of(before, after)
    return replace(
        seen,
        before=replace(seen.before, network=LinkStats.model_validate({"path_ms": sums})),
        after=replace(seen.after, network=LinkStats.model_validate({"path_ms": sums | charges})),
    )


def test_what_the_link_charged_is_divided_by_the_requests() -> None:
    found = attribution_of(charged(BEFORE, AFTER, retransmission=100.0), WITNESSES, bounded=True)
    assert found is not None
    assert found.mean_ms(Place.LOSS) == pytest.approx(0.5)


def test_behind_a_lost_packet_all_requests_of_an_http2_connection_wait() -> None:
    """200 requests of 100 ms on their way, in four seconds on one connection: five at a time."""
    after = stats([row(200.0, 200, 0.0, 100.0, 100.0, 1.0)], total=1)
    seen = charged(stats([]), after, retransmission=2000.0)
    for multiplexed, ms in ((False, 10.0), (True, 50.0)):
        found = attribution_of(seen, WITNESSES, bounded=True, multiplexed=multiplexed)
        assert found is not None
        assert found.mean_ms(Place.LOSS) == pytest.approx(ms, rel=0.02)


@pytest.mark.parametrize(("before", "after"), [(None, AFTER), (BEFORE, None), (AFTER, BEFORE), (AFTER, AFTER)])
def test_without_counters_of_the_span_there_is_no_account(before: PoolStats | None, after: PoolStats | None) -> None:
    """A proxy that did not answer, was restarted, or had no request."""
    assert attribution_of(of(before, after), WITNESSES, bounded=True) is None


def test_answers_that_the_proxy_never_saw_were_swallowed() -> None:
    """Ten waited in vain, and the upstream had answered six of them."""
    classes = request_classes(BEFORE, stats([row(200.0, 10, 0.0, 0.0, 200.0, 0.0, silent=10)]))
    proxy = ProxyWitness(received=100, answered=90, failed=10, aborted=0)
    upstream = UpstreamWitness(started=100, completed=96, abandoned=4)
    seen = WITNESSES.model_copy(update={"proxy": proxy, "upstream": upstream})
    assert swallowed_share(classes, seen, dropped=10) == 0.6
    assert swallowed_share(classes, seen) == 0.0, "nothing was lost: the client library gave them up, as after a GOAWAY"
    assert swallowed_share(classes, WITNESSES, dropped=10) == 0.0
    sent = proxy.model_copy(update={"sent": 103})  # and three never arrived
    both = WITNESSES.model_copy(update={"proxy": sent, "upstream": upstream})
    assert swallowed_share(classes, both, dropped=20) == 0.9
    assert swallowed_share(classes, both, dropped=1) == 0.7, "the upstream did not take the others"


def test_the_slowest_are_a_hundredth_and_at_least_one() -> None:
    assert slowest_mean({10.0: 990, 20.0: 5, 40.0: 5}) == 30.0
    assert slowest_mean({10.0: 3, 20.0: 1}) == 20.0


def test_the_figures_are_of_the_steady_part() -> None:
    """Three moments: the run's own, and the two between which it was steady."""
    whole = Span(Window(begin_seconds=0, end_seconds=9, steady=False), Snapshot(1.0), Snapshot(10.0), COUNTS, 0.3)
    spawned = Moment(2.0, Snapshot(3.0), Counts(100, 5, 20_000.0, 900.0, 1.0, {200.0: 95, 900.0: 5}, {"a": 5}), 0.4)
    last = Counts(300, 6, 50_000.0, 900.0, 2.0, {100.0: 100, 200.0: 195, 900.0: 5}, {"a": 5, "b": 1})
    stopped = Moment(6.0, Snapshot(7.0), last, 1.2)
    found = steady_span(whole, spawned, stopped)
    assert (found.window.steady, found.seconds, found.before.at, found.after.at) == (True, 4.0, 3.0, 7.0)
    assert (found.counts.requests, found.counts.failures, found.counts.errors) == (200, 1, {"b": 1})
    assert (found.counts.latency().p50, found.counts.latency().max) == (100.0, 200.0)
    assert found.generator_cpu_cores == 0.2
    short = steady_span(whole, spawned, replace(stopped, seconds=3.0))
    assert (short.window.steady, short.counts, short.after.at) == (False, COUNTS, 10.0)
    assert "1.0 s with all users" in short.window.because


def test_a_service_that_is_silent_in_the_middle_makes_the_figures_those_of_the_whole_run() -> None:
    """Else they would be of different times."""
    ends = Snapshot(1.0, pool=BEFORE), Snapshot(10.0, pool=AFTER)
    whole = Span(Window(begin_seconds=0, end_seconds=9, steady=False), *ends, COUNTS, 0.3)
    spawned, stopped = Moment(2.0, Snapshot(3.0, pool=BEFORE), Counts()), Moment(6.0, Snapshot(7.0), COUNTS)
    found = steady_span(whole, spawned, stopped)
    assert (found.window.steady, found.window.end_seconds, found.after.pool) == (False, 9.0, AFTER)
    assert found.window.because == "the proxy did not answer when it began or ended"


def test_each_worker_has_a_row() -> None:
    """One has four times the requests; one came in the course of the run."""

    def worker(pid: int, requests: int, hold_ms: float, cpu: float) -> dict[str, Any]:
        times = {"wait_ms": {"count": requests, "sum": requests * 2.0}, "hold_ms": {"count": requests, "sum": hold_ms}}
        return {"pid": pid, "requests": requests, "cpu_seconds": cpu, **times}

    before = stats([], process={"workers": [worker(1, 10, 100.0, 1.0), worker(2, 10, 100.0, 1.0)]})
    after = stats(
        [], process={"workers": [worker(1, 50, 8100.0, 3.0), worker(2, 20, 2100.0, 1.4), worker(3, 9, 9.0, 1.0)]}
    )
    rows = workers_of(of(before, after))
    assert [(each.pid, each.requests, each.active_mean, each.cpu_cores) for each in rows] == [
        (1, 40, 2.0, 0.5),
        (2, 10, 0.5, 0.1),
    ]
    assert rows[0].wait_mean_ms == 2.0


def test_who_closed_is_what_both_ends_saw() -> None:
    def mock(client: int, server: int, reset: int) -> MockStats:
        closed_by = {"client": client, "client-reset": reset, "server": server, "server-idle": 0}
        return MockStats.model_validate({"connections": {"closed_by": closed_by}, "runs": {}})

    seen = of(stats([], closed_after={"end": 1, "idle": 0}), stats([], closed_after={"end": 26, "idle": 4}))
    between = replace(
        seen,
        before=replace(seen.before, upstream=mock(5, 0, 1)),
        after=replace(seen.after, upstream=mock(9, 30, 3)),
    )
    found = closings_of(between)
    assert found is not None
    assert (found.by_client, found.by_upstream, found.idle, found.reset) == (6, 30, 0, 2)
    assert (found.found_ended, found.expired) == (25, 4)
    assert closings_of(seen) is None


def test_the_machine_is_busy_with_everybodys_work() -> None:
    process = {"descriptors": 30, "descriptor_limit": 1024, "listen_overflows": 7, "throttled_seconds": 2.0}
    earlier = process | {"listen_overflows": 4, "throttled_seconds": 0.5}
    workers = [{"pid": 1, "descriptors": 40, "descriptors_max": 900}]
    seen = of(stats([], process=earlier), stats([], process=process | {"workers": workers}))
    seen = replace(
        seen,
        before=replace(seen.before, host_cpu=HostCpu(10.0, 1.0, 100.0)),
        after=replace(seen.after, host_cpu=HostCpu(17.0, 1.2, 108.0)),
    )
    host = host_of(seen)
    assert (host.busy_share, host.steal_share, host.listen_overflows) == (0.875, 0.025, 3)
    assert (host.descriptors, host.throttled_seconds) == ({"proxy": (900, 1024)}, {"proxy": 1.5})
    assert host_of(of(None, None)).busy_share is None
