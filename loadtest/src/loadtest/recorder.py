"""The recorder: Locust's events in, one run document out, in every mode that Locust runs in.

A run is complete when `test_stop` is fired, because of what happens before:
1. one process: Locust stops its users first and fires `test_stop` then;
2. a master with the web UI: each worker's last report is waited for (distributed.py);
3. a headless master: it fires `test_stop` before it has sent its workers anything, so the recorder stops them.
"""

import logging
from argparse import Namespace
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.runners import MasterRunner

from lab.calling_pattern import refusal
from lab.run_document import RunDocument, SeriesPoint
from lab.run_name import new_run_id
from lab.store import RunStore
from lab.wire.service import VariableValues
from loadtest.active_run import SETTLE_SECONDS, ActiveRun, ProgressLines, Sampler
from loadtest.distributed import Workers
from loadtest.document_builder import document
from loadtest.first_bytes import FirstBytes
from loadtest.generator_health import ProcessHealth, ProcessReport, generator
from loadtest.kind_counts import KindCounts
from loadtest.live_history import LiveHistory
from loadtest.locust_glue import guarded
from loadtest.locust_stats import Counts
from loadtest.options import correct, settings_of_load
from loadtest.services import Services
from loadtest.settings import Settings
from loadtest.span import Moment

log = logging.getLogger(__name__)


class Recorder:
    """Records the runs of one Locust process that is no worker."""

    def __init__(self, environment: Environment, settings: Settings, health: ProcessHealth) -> None:
        self.environment = environment
        self._first_bytes, self._kind_counts = FirstBytes.of(environment), KindCounts.of(environment)
        self.settings = settings
        self.store = RunStore(settings.runs_dir)
        self.current: ActiveRun | None = None
        self.last: RunDocument | None = None
        self.idle = Event()
        self.idle.set()
        self._next_id = settings.run_id
        self._run_time_asked: float | None = self.options.run_time  # the form begins with it
        self._health = health
        self._progress = ProgressLines(enabled=settings.progress and environment.web_ui is None)
        self._sampler = Sampler(
            self._second, lambda: int(self.runner.user_count), self._progress, guarded(self._add_live)
        )
        self.live: LiveHistory | None = None
        self.workers = Workers(environment.runner) if isinstance(environment.runner, MasterRunner) else None

    @property
    def options(self) -> Namespace:
        """Locust's options, with what the start form set."""
        options = self.environment.parsed_options
        assert isinstance(options, Namespace)
        return options

    @property
    def runner(self) -> Any:
        return self.environment.runner

    def ask_run_time(self, seconds: float | None) -> None:
        """Note the length asked for on the start form; Locust itself keeps an old one if the field is empty."""
        self._run_time_asked = seconds

    def worker_count(self) -> int:
        """Return how many processes make the load, or are ready to."""
        return int(self.runner.worker_count)

    def points(self) -> list[SeriesPoint]:
        if self.current is not None:
            return list(self.current.series)
        return [] if self.last is None else list(self.last.series)

    def wait_until_idle(self) -> bool:
        """Wait until no run is being stopped or saved any more."""
        return bool(self.idle.wait(float(self.environment.stop_timeout or 0) + 10))

    def services(self) -> Services:
        """Return the services to ask; the proxy is the host under load."""
        host = (self.environment.host or "").rstrip("/")
        return Services(host, self.settings.upstream_control_url, self.settings.net_control_url)

    # Locust's events, in the order of a run.

    def test_start(self, **_: Any) -> None:
        """Open a run: set the id that the users send along, and take a snapshot before the first request."""
        self.idle.wait(SETTLE_SECONDS)
        if self.current is not None:  # started anew without a stop in between; Locust has cleared its statistics
            self.current.status = "interrupted"
            self._finish(self.current.latest)
        options = self.options
        for line in correct(options):
            log.warning(line)
        options.run_id, self._next_id = self._next_id or new_run_id(datetime.now(UTC)), ""
        options.run_users, options.run_processes = options.num_users or 1, self.worker_count()
        services = self.services()
        before = services.snapshot()
        if (refused := refusal(options.pattern, before.proxy_config)) is not None:
            log.warning(refused)
            before = replace(before, notes={**before.notes, "pattern": refused})
        self._first_bytes.reset()
        self._kind_counts.reset()
        self._health.begin()
        if self.workers is not None:
            self.workers.begin(options.run_id)
        self.current = ActiveRun(
            id=options.run_id,
            label=options.run_label,
            group=self.settings.run_group,
            mode="headless" if self.environment.web_ui is None else "ui",
            users=self.runner.target_user_count,
            load_settings=self.settings_of_load(),
            of_seconds=self._run_time(),
            services=services,
            before=before,
        )
        if self.current.mode == "ui":
            self.live = LiveHistory(self.current, self.worker_count())
        self._sampler.begin(self.current)

    def spawning_complete(self, **_: Any) -> None:
        """Note how many users there are: the form can change it during a run."""
        if self.current is not None and self.options.shape:
            self.current.users = max(self.current.users, self.runner.target_user_count)
        elif self.current is not None:
            self.current.users = self.runner.target_user_count
            self.current.load_settings = {**self.current.load_settings, "LOCUST_USERS": self.current.users}
            gevent.spawn(self._note_spawned, self.current)  # a master would read no reports of its workers meanwhile

    def reset_stats(self, **_: Any) -> None:
        """The RESET button: keep what Locust is about to forget."""
        if self.current is not None:
            self.current.reset(self._counts())
        self._first_bytes.reset()
        self._kind_counts.reset()

    def test_stopping(self, **_: Any) -> None:
        """The users are being stopped; until the run is saved the recorder is not idle."""
        if self.current is not None:
            self.current.stopped = self._moment(self.current)
            self.current.stopping = True
            self.idle.clear()

    def test_stop(self, **_: Any) -> None:
        """Complete the figures and save the run."""
        try:
            if self.workers is not None and self.current is not None:
                headless = self.current.mode == "headless"
                self.workers.complete(stop=headless and self.current.status != "interrupted", keep=headless)
            if self.current is not None:
                self._finish(self.current.count(self._counts()))
        finally:
            self.idle.set()

    def quitting(self, **_: Any) -> None:
        """Locust ends: a run that is under way is stopped softly and kept."""
        if self.current is not None and not self.current.stopping:
            self.current.status = "interrupted"
            self.runner.stop()
        self.wait_until_idle()
        if self.environment.process_exit_code is None:
            made = self.last is not None and self.last.totals.requests > 0
            self.environment.process_exit_code = 0 if made or self.environment.web_ui is not None else 1

    def _finish(self, counts: Counts) -> None:
        run, self.current = self.current, None
        if run is None:
            return
        self._sampler.end()
        warned = bool(self.runner.cpu_warning_emitted or self.runner.worker_cpu_warning_emitted)
        health = generator(self._reports(warned=warned), run.elapsed())
        if self.workers is not None:
            run.begin_at(self.workers.began_at())
        self.last = document(run.observation(counts, health, self.runner.user_count))
        path = self.store.write(self.last)
        log.info("run %s: %d requests, saved to %s", run.id, counts.requests, path)
        self._progress.saved(run.id, path)

    def _note_spawned(self, run: ActiveRun) -> None:
        run.spawned = self._moment(run)

    def _moment(self, run: ActiveRun) -> Moment:
        return run.moment(self._counts, self._generator_cpu_seconds)

    def _second(self, run: ActiveRun) -> Moment:
        """Return the counters of a second that ends now: all of them, where a page may show them."""
        snapshot = run.services.second(run.before, all_counters=self.live is not None)
        return Moment(run.elapsed(), snapshot, run.count(self._counts()), self._generator_cpu_seconds())

    def _add_live(self, second: Moment, users: int) -> None:
        if self.live is not None:
            self.live.add(second, users)

    def _generator_cpu_seconds(self) -> float:
        return sum(report.cpu_seconds for report in self._reports(warned=False))

    def _reports(self, *, warned: bool) -> list[ProcessReport]:
        """Return the reports of all processes that make the load, this one's first; `warned` is of this one."""
        return [self._health.report(warned=warned), *(self.workers.reports() if self.workers is not None else [])]

    def _counts(self) -> Counts:
        return Counts.of(self.environment.stats, self._first_bytes.times, self._kind_counts.counts)

    def _run_time(self) -> float | None:
        if self.environment.web_ui is not None:
            return self._run_time_asked
        run_time = self.options.run_time
        return float(run_time) if run_time else None

    def settings_of_load(self) -> VariableValues:
        users = self.options.num_users if self.options.shape else self.runner.target_user_count
        users = users or self.options.num_users
        return settings_of_load(self.options, users=users, processes=self.worker_count(), run_time=self._run_time())
