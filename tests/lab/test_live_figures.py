"""The live page's figures and slots, by what they hold."""

from typing import Any

from lab.account.failures import FailureCount
from lab.account.places import Place
from lab.document_part import DistributionMs
from lab.figures.chart import Figure
from lab.figures.live import OWNER_COLOURS, live_figures
from lab.figures.places import COLOURS
from lab.live_point import LivePoint, live_point, points_of
from lab.pool_slots import pool_slots
from lab.run_document import Host, PhaseMs, SeriesPoint
from lab.wire.proxy import Holder, PoolStats, Threads
from lab.wire.service import Histogram, Process, WorkerProcess
from support.documents import account, run_document
from support.documents import pool as run_pool


def _figure(points: list[LivePoint], name: str) -> Figure:
    return next(one.figure for one in live_figures(points) if one.name == name)


def _lines(figure: Figure) -> dict[str, list[float | None]]:
    return {trace["name"]: trace["y"] for trace in figure["data"]}


def _point(t: float, **changes: Any) -> LivePoint:
    return LivePoint(**{"t_seconds": t, "users": 20, "succeeded_rps": 90.0, **changes})


def _pool(**changes: Any) -> PoolStats:
    gauges = {"max": 4, "total": 3, "active": 2, "idle": 1, "connecting": 0, "waiting": 0}
    counted = {"opened": 3, "reused": 0, "closed": 0, "timeouts": 0, "wait_ms": Histogram(), "hold_ms": Histogram()}
    return PoolStats(**{**gauges, **counted, "process": Process(workers=[WorkerProcess(pid=7)]), **changes})


def test_a_point_is_made_of_a_document_of_its_second() -> None:
    """Rates by the second's length, failures summed by their owner, the machine's cores of its share."""
    failures = [FailureCount(kind=str(n), count=3, owner="upstream", meaning="") for n in range(2)]
    second = run_document(
        pool=None,
        window_seconds=2.0,
        attribution=account({Place.POOL_WAIT: 150.0, Place.UPSTREAM_WORK: 100.0}),
        failures=failures,
        host=Host(cores=4, busy_share=0.5),
        cpu_cores={"proxy": 0.5, "upstream": None, "link": 0.1, "generator": 0.2},
    )
    point = live_point(second, 7.0, 20, _pool(connecting=1, threads=Threads(busy=3, allowed=40)), 1.5)
    assert point.succeeded_rps == (second.totals.requests - second.totals.failures) / 2
    assert point.failed_rps == {"upstream": 3.0}
    assert point.places_ms == {Place.POOL_WAIT: 150.0, Place.UPSTREAM_WORK: 100.0}
    assert (point.cores["machine"], point.machine_cores, point.loop_lag_ms) == (2.0, 4, 1.5)
    assert (point.busy, point.connecting, point.idle, point.max_connections) == (1, 1, 1, 4)
    assert (point.threads_busy, point.threads_allowed) == (3, 40)


def test_connections_are_counted_over_the_second_where_they_come_and_go_within_it() -> None:
    """Users in step give all of them back at once: a sample may find none. What lasts longer is counted too late."""
    sample = _pool(active=0, connecting=0, idle=0, waiting=10)
    phases = {"connect": PhaseMs(count=100, mean=20.0), "tls": None, "total": PhaseMs(count=100, mean=200.0)}
    waits = DistributionMs(count=100, mean=98.0)
    run = run_document(window_seconds=1.0, phases_ms=phases, pool=run_pool(active_mean=9.0, wait_ms=waits))
    point = live_point(run, 7.0, 20, sample, None)
    assert (point.busy, point.connecting, point.waiting) == (7.0, 2.0, 9.8)
    few = run_pool(active_mean=9.0, waiting_mean=9.8, wait_ms=DistributionMs(count=4, mean=3000.0))
    point = live_point(run.model_copy(update={"pool": few}), 7.0, 20, sample, None)
    assert (point.busy, point.connecting, point.waiting) == (0, 0, 10)


def test_a_saved_run_has_points_too() -> None:
    """Whose its failures were in each second is known where all are of one owner."""
    series = [SeriesPoint(t_seconds=t, users=5, requests=50, failures=10, pool_active=3) for t in (0.5, 1.5)]
    one = FailureCount(kind="a", count=20, owner="network", meaning="")
    run = run_document(series=series, failures=[one])
    first, second = points_of(run)
    assert (first.succeeded_rps, second.succeeded_rps) == (80.0, 40.0)
    assert (second.busy, second.failed_rps) == (3, {"network": 10.0})
    several = [one, one.model_copy(update={"owner": "proxy"})]
    points = points_of(run.model_copy(update={"failures": several}))
    assert _lines(_figure(points, "rate")) == {"succeeded": [80.0, 40.0], "failed": [20.0, 10.0]}


def test_the_time_is_stacked_by_place_in_its_colour_with_its_sentence() -> None:
    """In the order of a request's way; what never has a hundredth of the time is left out."""
    places = {Place.UPSTREAM_WORK: 100.0, Place.POOL_WAIT: 150.0, Place.DNS: 1.0}
    wait, work = _figure([_point(1.0), _point(2.0, places_ms=places)], "phases")["data"]
    assert (wait["name"], wait["y"], wait["line"]["color"]) == ("pool wait", [None, 150.0], COLOURS[Place.POOL_WAIT])
    assert (work["name"], work["y"]) == ("upstream work", [None, 100.0])
    assert "</b> ms waiting for a connection of the pool<br>" in wait["hovertemplate"]
    assert wait["stackgroup"] == work["stackgroup"]
    assert wait["legendrank"] < work["legendrank"]


def test_connections_are_stacked_and_those_that_wait_are_a_line() -> None:
    figure = _figure([_point(1.0, busy=8, connecting=2, idle=0, waiting=10, max_connections=10)], "pool")
    assert _lines(figure) == {"busy": [8], "connecting": [2], "idle": [0], "waiting": [10], "max": [10]}
    assert [trace["name"] for trace in figure["data"] if "stackgroup" in trace] == ["busy", "connecting", "idle"]


def test_errors_have_a_line_for_each_owner_that_has_any() -> None:
    points = [_point(1.0), _point(2.0, failed_rps={"client_library": 2.0, "network": 1.0})]
    figure = _figure(points, "rate")
    expected = {"succeeded": [90.0, 90.0], "failed: network": [0.0, 1.0], "failed: client library": [0.0, 2.0]}
    assert _lines(figure) == expected
    assert len(set(OWNER_COLOURS.values())) == len(OWNER_COLOURS)


def test_what_is_not_known_has_no_line() -> None:
    """Threads only where any is at work: 40 allowed ones are no news."""
    assert [one.name for one in live_figures([])] == ["pool", "phases", "rate", "latency", "cpu", "loop"]
    assert _lines(_figure([_point(1.0, loop_lag_ms=2.0, threads_busy=0, threads_allowed=40)], "loop")) == {
        "loop lag p99": [2.0]
    }
    busy = _point(1.0, loop_lag_ms=2.0, threads_busy=3, threads_waiting=1, threads_allowed=40)
    assert len(_lines(_figure([busy], "loop"))) == 4
    assert _lines(_figure([_point(1.0, cores={"proxy": 0.5, "link": None})], "cpu")) == {"proxy": [0.5]}


def test_each_slot_is_what_its_connection_does() -> None:
    """The longest held first, then the idle ones, then what may still be opened."""
    holders = [
        Holder(worker=7, method="GET", path="/a", held_seconds=1.5, phase="upstream"),
        Holder(worker=7, method="GET", path="/b", held_seconds=0.002, phase="connect"),
    ]
    pool = pool_slots(_pool(holders=holders, connecting=1, waiting=3))
    (worker,) = pool.workers
    assert [slot.state for slot in worker.slots] == ["busy", "connecting", "idle", "free"]
    assert worker.slots[0].held_ms == 1500.0
    assert worker.slots[0].colour == COLOURS[Place.UPSTREAM_WORK]
    assert worker.slots[0].title == "GET /a, for 1500 ms: upstream work, being worked on by the upstream"
    assert worker.waiting == 3
    assert pool.sentence == "1 of 4 connections busy, 1 connecting, 1 idle, 3 requests waiting"


def test_slots_that_nothing_gives_back_are_marked() -> None:
    over = Holder(worker=7, path="/leaked", held_seconds=60.0, phase=None)
    (worker,) = pool_slots(_pool(holders=[over], active=1, idle=0, lost=2)).workers
    assert [slot.state for slot in worker.slots] == ["over", "lost", "lost", "free"]
    assert "its response was never closed" in worker.slots[0].title


def test_each_worker_has_its_slots_and_its_queue() -> None:
    workers = [WorkerProcess(pid=pid, active=pid, idle=1, waiting=pid * 2) for pid in (1, 2)]
    holders = [Holder(worker=2, held_seconds=0.1, phase="body")]
    pool = pool_slots(_pool(max=8, active=3, idle=2, holders=holders, process=Process(workers=workers)))
    assert [[slot.state for slot in worker.slots] for worker in pool.workers] == [
        ["busy", "idle", "free", "free"],
        ["busy", "busy", "idle", "free"],
    ]
    assert [worker.waiting for worker in pool.workers] == [2, 4]


def test_over_http2_requests_share_connections() -> None:
    pool = pool_slots(_pool(max=10, total=1, active=19, idle=0))
    assert pool.sentence == "19 requests share 1 connection, of 10 allowed, 0 idle, 0 requests waiting"
    assert len(pool.workers[0].slots) == 19
