"""The last minutes of a run, a point a second, and what limits it now: kept when the run is over."""

from collections import deque
from dataclasses import dataclass

from lab.account.window import Window
from lab.conclusion import Verdict
from lab.live_point import LivePoint, live_point
from lab.run_document import Generator, RunDocument
from lab.run_name import run_name
from lab.verdict.judge import judge
from lab.wire.proxy import PoolStats
from loadtest.active_run import ActiveRun
from loadtest.counter_deltas import distribution
from loadtest.document_builder import measured
from loadtest.observation import Observation
from loadtest.snapshot import Snapshot
from loadtest.span import Moment, Span, cores_between

MOST_POINTS = 600
JUDGED_SECONDS = 5
"""What limits a run now is concluded from so many of its last seconds."""


@dataclass(frozen=True)
class LimitNow:
    """What limits the run over the last seconds, and the second since which it has been the same."""

    verdict: Verdict
    since_seconds: float


class LiveHistory:
    """One run. Bounded, whatever its length: `MOST_POINTS` points, and the counters of the last seconds."""

    def __init__(self, run: ActiveRun, processes: int) -> None:
        self.run = run
        self.name = run_name(run.label, run.started_at, run.id)
        self.next = 0
        self.limit: LimitNow | None = None
        self._processes = processes
        self._points: deque[LivePoint] = deque(maxlen=MOST_POINTS)
        self._moments: deque[Moment] = deque([before_run(run)], maxlen=JUDGED_SECONDS + 1)
        self._judged = 0

    @property
    def pool(self) -> PoolStats | None:
        """The pool at the end of the newest second."""
        return self._moments[-1].snapshot.pool

    def add(self, moment: Moment, users: int) -> None:
        """Add the second that ends with this moment; its number is `next` as it was."""
        before = self._moments[-1]
        second = document_between(self.run, before, moment, self._processes)
        lag = loop_lag_ms(before.snapshot, moment.snapshot)
        self._points.append(live_point(second, moment.seconds, users, moment.snapshot.pool, lag))
        self._moments.append(moment)
        self.next += 1

    def since(self, number: int) -> tuple[int, list[LivePoint]]:
        """Return the points from that number on, and the number of the first: older ones may be gone."""
        first = min(max(number, self.next - len(self._points)), self.next)
        points = list(self._points)
        return first, points[len(points) - (self.next - first) :]

    def limit_now(self) -> LimitNow | None:
        """Conclude from the last seconds what limits the run, by the rules of the verdict; once for each second.

        Without a model of its settings, which takes 0.15 s of CPU in which no request is made.
        """
        if self._judged < self.next:
            self._judged = self.next
            first, last = self._moments[0], self._moments[-1]
            verdict = judge(document_between(self.run, first, last, self._processes))
            same = self.limit is not None and self.limit.verdict.bottleneck == verdict.bottleneck
            since = self.limit.since_seconds if self.limit is not None and same else first.seconds
            self.limit = LimitNow(verdict, since)
        return self.limit


def before_run(run: ActiveRun) -> Moment:
    """Return the counters as they were before the first request."""
    return Moment(0.0, run.before, run.carried, 0.0)


def document_between(run: ActiveRun, first: Moment, last: Moment, processes: int) -> RunDocument:
    """Return what a run document would have if the run had been only what happened between two moments."""
    window = Window(begin_seconds=0.0, end_seconds=max(last.seconds - first.seconds, 0.001), steady=False)
    counts, cores = last.counts.since(first.counts), cores_between(first, last)
    observed = Observation(
        run_id=run.id,
        mode=run.mode,
        status=run.status,
        started_at=run.started_at,
        users=run.users,
        load_settings=run.load_settings,
        whole=Span(window, first.snapshot, last.snapshot, counts, cores),
        generator=Generator(cpu_cores=cores, processes=processes),
    )
    return measured(observed)


def loop_lag_ms(before: Snapshot, after: Snapshot) -> float | None:
    """Return how late the proxy's event loop was in between: of a hundred samples the second worst."""
    if before.pool is None or after.pool is None:
        return None
    lag = distribution(before.pool.loop_lag_ms, after.pool.loop_lag_ms)
    return lag.p99 if lag else None
