"""The last minutes of a run: what each second's point is made of, how many are kept, what limits the run now."""

from dataclasses import replace
from typing import Any

import pytest

from lab.account.places import Place
from lab.wire.proxy import PoolStats
from lab.wire.service import Histogram, Process, WorkerProcess
from loadtest.active_run import ActiveRun
from loadtest.live_history import MOST_POINTS, LiveHistory
from loadtest.locust_stats import Counts
from loadtest.services import Services
from loadtest.snapshot import Snapshot
from loadtest.span import Moment

MAX = 10


class Seconds:
    """A run whose seconds each have 100 requests; counters since its beginning."""

    def __init__(self) -> None:
        self._second = 0
        self._count = 0
        self._wait_ms = self._work_ms = self._total_ms = 0.0
        self._times: dict[float, int] = {}
        self._failures = 0
        self.run = ActiveRun(
            id="ours",
            label="",
            group="",
            mode="ui",
            users=20,
            load_settings={"LOCUST_USERS": 20},
            of_seconds=None,
            services=Services("http://127.0.0.1:9", "http://127.0.0.1:9", "http://127.0.0.1:9"),
            before=Snapshot(at=0.0, pool=self._pool()),
        )
        self.history = LiveHistory(self.run, 1)

    def pass_by(self, seconds: int, *, wait_ms: float, work_ms: float, failures: int = 0) -> None:
        """Add seconds in each of which requests waited for a connection and were worked on for so long."""
        for _ in range(seconds):
            total = wait_ms + work_ms
            self._second += 1
            self._count += 100
            self._wait_ms += 100 * wait_ms
            self._work_ms += 100 * work_ms
            self._total_ms += 100 * total
            self._failures += failures
            self._times[total] = self._times.get(total, 0) + 100
            self.history.add(self._moment(), users=20)

    def silent(self) -> None:
        """Add a second at whose end no service answered."""
        self._second += 1
        self.history.add(replace(self._moment(), snapshot=Snapshot(at=float(self._second))), users=20)

    def _moment(self) -> Moment:
        errors = {"503 pool_exhausted": self._failures} if self._failures else {}
        counts = Counts(self._count, self._failures, self._total_ms, 0.0, None, dict(self._times), errors)
        snapshot = Snapshot(at=float(self._second), pool=self._pool())
        return Moment(float(self._second), snapshot, counts, 0.1 * self._second)

    def _pool(self) -> PoolStats:
        rows = [[1000.0, self._count, self._wait_ms, self._work_ms, 0.0, 0, 0.0, 0]] if self._count else []
        return PoolStats(
            max=MAX,
            total=MAX,
            active=MAX,
            idle=0,
            waiting=5,
            opened=MAX,
            reused=self._count,
            closed=0,
            timeouts=0,
            wait_ms=Histogram(count=self._count, sum=self._wait_ms, histogram={100.0: self._count}),
            hold_ms=Histogram(count=self._count, sum=self._work_ms),
            by_total={"phases": ["pool_wait", "upstream"], "rows": rows},
            requests={"received": self._count},
            process=Process(cpu_seconds=0.2 * self._second, workers=[WorkerProcess(pid=7, requests=self._count)]),
        )


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


def test_a_point_is_of_its_second_alone(seconds: Seconds) -> None:
    seconds.pass_by(1, wait_ms=50.0, work_ms=100.0)
    seconds.pass_by(1, wait_ms=150.0, work_ms=100.0, failures=10)
    first, second = seconds.history.since(0)[1]
    assert (first.t_seconds, first.succeeded_rps, first.p50_ms, first.failed_rps) == (1.0, 100.0, 150.0, {})
    assert (second.t_seconds, second.succeeded_rps, second.p50_ms) == (2.0, 90.0, 250.0)
    assert second.failed_rps == {"proxy": 10.0}
    assert second.places_ms == pytest.approx({Place.POOL_WAIT: 150.0, Place.UPSTREAM_WORK: 100.0})
    assert second.cores["proxy"] == pytest.approx(0.2)
    assert second.cores["generator"] == pytest.approx(0.1)
    assert (second.busy, second.waiting, second.max_connections) == (10.0, 15.0, 10)


def test_points_are_numbered_and_bounded(seconds: Seconds) -> None:
    """Who asks for those since a number that is gone gets all there are, from a later number on."""
    seconds.pass_by(MOST_POINTS + 20, wait_ms=0.0, work_ms=100.0)
    history = seconds.history
    assert history.next == MOST_POINTS + 20
    first, points = history.since(0)
    assert (first, len(points), points[0].t_seconds) == (20, MOST_POINTS, 21.0)
    first, points = history.since(history.next - 2)
    assert [point.t_seconds for point in points] == [first + 1.0, first + 2.0]
    assert history.since(history.next) == (history.next, [])
    assert history.since(10_000_000) == (history.next, [])


def test_the_limit_is_of_the_last_seconds_and_since_when(seconds: Seconds) -> None:
    """Requests wait for a connection, then no more: the words follow within the seconds that are looked at."""
    assert seconds.history.limit_now() is None
    seconds.pass_by(8, wait_ms=100.0, work_ms=100.0)
    limit = seconds.history.limit_now()
    assert limit is not None
    assert limit.verdict.bottleneck == "pool"
    assert "waited 100 of 200 ms (50%)" in limit.verdict.because
    assert seconds.history.limit_now() is limit
    began: list[Any] = []
    for _ in range(8):
        seconds.pass_by(1, wait_ms=0.0, work_ms=80.0)
        now = seconds.history.limit_now()
        assert now is not None
        began.append((now.verdict.bottleneck, now.since_seconds))
    assert began[0][0] == "pool"
    assert began[-1][0] == "none"
    assert began[-1] == began[-2], "the same limit is one since the same second"


def test_a_second_without_an_answer_is_a_point_with_gaps(seconds: Seconds) -> None:
    seconds.pass_by(2, wait_ms=50.0, work_ms=100.0)
    seconds.silent()
    seconds.pass_by(1, wait_ms=50.0, work_ms=100.0)
    points = seconds.history.since(0)[1]
    assert [point.busy for point in points] == [10, 10, None, 10]
    assert points[2].cores["proxy"] is None
    assert points[2].places_ms == {}
    assert seconds.history.limit_now() is not None
