"""A point of the run's series every second, on the second."""

from typing import Any, NoReturn

import gevent
from locust.env import Environment

from loadtest.active_run import OpenRun
from loadtest.locust_stats import Counts
from loadtest.progress import Progress


class Sampler:
    """Looks at Locust's counts and the proxy's pool once a second while a run is under way."""

    def __init__(self, environment: Environment, progress: Progress) -> None:
        self._environment = environment
        self._progress = progress
        self._greenlet: gevent.Greenlet | None = None

    def begin(self, run: OpenRun) -> None:
        """Start with a run."""
        self._greenlet = gevent.spawn(self._sample, run)

    def end(self) -> None:
        """Add no more points."""
        if self._greenlet is not None:
            self._greenlet.kill()

    def _sample(self, run: OpenRun) -> NoReturn:
        runner: Any = self._environment.runner
        then = 0.0
        while True:
            gevent.sleep(max(0.05, int(run.elapsed()) + 1 - run.elapsed()))
            pool = run.surroundings.pool()
            counts, now = run.count(Counts.of(self._environment.stats)), run.elapsed()
            point = run.add_second(counts, runner.user_count, pool, now)
            self._progress.second(point, counts, run.of_seconds, now - then)
            then = now
