"""The run that is being recorded: what it began with, a point of its series every second, and its progress lines."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn, TextIO

import gevent

from lab.account.window import Window
from lab.run_document import Generator, RunMode, RunStatus, SeriesPoint
from lab.wire.locust import RunSaved, RunSecond
from lab.wire.proxy import PoolStats
from lab.wire.service import VariableValues
from loadtest.counter_deltas import cores_used
from loadtest.locust_stats import Counts
from loadtest.observation import Observation
from loadtest.services import Services
from loadtest.snapshot import Snapshot
from loadtest.span import Moment, Span
from service_kit.histogram import difference, percentile

SETTLE_SECONDS = 3.0
"""How long the services may take to count the last requests of a run as done."""

LONGEST_MESSAGE_SECONDS = 2.0
"""Longest plausible delivery time of a message from a master to its workers."""


@dataclass
class ActiveRun:
    """The one run that is under way. Times named `_at` without a zone are monotonic seconds."""

    id: str
    label: str
    group: str
    mode: RunMode
    users: int
    load_settings: VariableValues
    of_seconds: float | None
    services: Services
    before: Snapshot
    status: RunStatus = "finished"
    stopping: bool = False
    carried: Counts = field(default_factory=Counts)
    latest: Counts = field(default_factory=Counts)
    series: list[SeriesPoint] = field(default_factory=list)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    began_at: float = field(default_factory=time.monotonic)
    spawned: Moment | None = None
    stopped: Moment | None = None
    _pool_at: tuple[float, PoolStats | None] = (0.0, None)

    def count(self, since_reset: Counts) -> Counts:
        """Return all requests so far: those before Locust's statistics were reset, and those since."""
        return self.carried + since_reset

    def reset(self, until_now: Counts) -> None:
        """Keep the statistics that Locust is about to reset, so that the run stays whole."""
        self.carried = self.carried + until_now
        self.status = "reset"

    def begin_at(self, epoch_seconds: float | None) -> None:
        """Move the beginning to where the first worker started its users, a little after the master's `test_start`."""
        late = 0.0 if epoch_seconds is None else epoch_seconds - self.started_at.timestamp()
        if 0.0 < late < LONGEST_MESSAGE_SECONDS:  # else the two machines' clocks differ
            self.started_at += timedelta(seconds=late)
            self.began_at += late

    def moment(self, counts: Callable[[], Counts], generator_cpu_seconds: Callable[[], float | None]) -> Moment:
        """Return all counters as they are now: the services' first, which may take a while."""
        snapshot = self.services.counters(self.before)
        return Moment(snapshot.at - self.began_at, snapshot, self.count(counts()), generator_cpu_seconds())

    def elapsed(self) -> float:
        return time.monotonic() - self.began_at

    def window_seconds(self, counts: Counts) -> float:
        """Return the time from the first request to the last answer, by the clock of the process that received it."""
        if counts.last_at is None:
            return self.elapsed()
        return min(max(counts.last_at - self.started_at.timestamp(), 0.001), self.elapsed())

    def add_second(self, counts: Counts, users: int, pool: PoolStats | None, t_seconds: float) -> SeriesPoint:
        """Append what happened since the last point, with the pool as it is now."""
        now = time.monotonic()
        point = SeriesPoint(
            t_seconds=round(t_seconds, 2),
            users=users,
            requests=counts.requests - self.latest.requests,
            failures=counts.failures - self.latest.failures,
            p50_ms=counts.percentile_since(self.latest, 0.50),
            p99_ms=counts.percentile_since(self.latest, 0.99),
            first_byte_p50_ms=_p50(counts.first_bytes, self.latest.first_bytes),
            pool_active=pool and pool.active,
            pool_idle=pool and pool.idle,
            pool_waiting=pool and pool.waiting,
            proxy_cpu_cores=self._proxy_cores(now, pool),
        )
        self.series.append(point)
        self.latest = counts
        self._pool_at = (now, pool)
        return point

    def observation(self, counts: Counts, generator: Generator, users: int) -> Observation:
        """Return all that was seen of the run, which has ended with these counts, once the services have settled."""
        seconds = self.window_seconds(counts)
        after = self.services.settled(self.id, self.before, SETTLE_SECONDS)
        if counts.requests > self.latest.requests:
            self.add_second(counts, users, after.pool, seconds)
        window = Window(begin_seconds=0.0, end_seconds=seconds, steady=False)
        return Observation(
            run_id=self.id,
            label=self.label,
            group=self.group,
            mode=self.mode,
            status=self.status,
            started_at=self.started_at,
            users=self.users,
            load_settings=self.load_settings,
            whole=Span(window, self.before, after, counts, generator.cpu_cores),
            generator=generator,
            spawned=self.spawned,
            stopped=self.stopped,
            ledger=self.services.ledger(self.before.ledger_cursor),
            executions=self.services.executions(self.id),
            series=self.series,
        )

    def _proxy_cores(self, now: float, pool: PoolStats | None) -> float | None:
        then, earlier = self._pool_at if self._pool_at[1] is not None else (self.before.at, self.before.pool)
        if pool is None or earlier is None or now - then < 0.2:
            return None
        return cores_used(earlier.process, pool.process, now - then)


def _p50(now: Mapping[float, int], before: Mapping[float, int]) -> float | None:
    try:
        return percentile(difference(now, before), 0.50)
    except ValueError:  # reset in between
        return None


class ProgressLines:
    """Writes one JSON line a second on standard output, for the program that started a headless run."""

    def __init__(self, *, enabled: bool, stream: TextIO | None = None) -> None:
        self._enabled = enabled
        self._stream = stream or sys.stdout

    def second(self, point: SeriesPoint, counts: Counts, of_seconds: float | None, seconds: float) -> None:
        """Write totals so far, rate and response times of the last `seconds`."""
        self._line(
            RunSecond(
                t_seconds=point.t_seconds,
                of_seconds=of_seconds,
                users=point.users,
                requests=counts.requests,
                failures=counts.failures,
                rps=round(point.requests / seconds, 1) if seconds > 0 else 0.0,
                p50_ms=point.p50_ms,
                p99_ms=point.p99_ms,
                pool_active=point.pool_active,
                pool_waiting=point.pool_waiting,
            )
        )

    def saved(self, run_id: str, document: Path) -> None:
        """Write where the run's document is: the last line."""
        self._line(RunSaved(run_id=run_id, document=str(document)))

    def _line(self, line: RunSecond | RunSaved) -> None:
        if self._enabled:
            self._stream.write(line.model_dump_json() + "\n")
            self._stream.flush()


class Sampler:
    """Adds a point a second to a run, on the second.

    `moment` and `users` return the figures now, `added` takes them once they are in the run.
    """

    def __init__(
        self,
        moment: Callable[[ActiveRun], Moment],
        users: Callable[[], int],
        progress: ProgressLines,
        added: Callable[[Moment, int], None],
    ) -> None:
        self._moment = moment
        self._users = users
        self._progress = progress
        self._added = added
        self._greenlet: gevent.Greenlet | None = None

    def begin(self, run: ActiveRun) -> None:
        self._greenlet = gevent.spawn(self._sample, run)

    def end(self) -> None:
        if self._greenlet is not None:
            self._greenlet.kill()

    def _sample(self, run: ActiveRun) -> NoReturn:
        then = 0.0
        while True:
            gevent.sleep(max(0.05, int(run.elapsed()) + 1 - run.elapsed()))
            now, users = self._moment(run), self._users()
            point = run.add_second(now.counts, users, now.snapshot.pool, now.seconds)
            self._progress.second(point, now.counts, run.of_seconds, now.seconds - then)
            self._added(now, users)
            then = now.seconds
