"""Master and workers: what keeps a run's figures complete when several processes make the load.

Workers report once a second and leave their master's list the moment they have stopped, so Locust's own counts lack
the last part of a run. Here a worker sends what is left, marked as its last, before it reports that it has stopped; and
the master waits for the last report of every worker that took part.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import STATE_INIT, STATE_MISSING, MasterRunner, WorkerRunner

from lab.wire.service import WireModel
from loadtest.first_bytes import FirstBytes
from loadtest.generator_health import ProcessHealth, ProcessReport
from loadtest.kind_counts import KindCounts

KEY = "sandbox"
"""Where a worker's report has our part of it, a `WorkerReport`."""

REPORT_GRACE_SECONDS = 5.0
READY_PATIENCE_SECONDS = 3.0

log = logging.getLogger(__name__)


class WorkerReport(WireModel):
    """What a worker sends beside Locust's counts: the run that it is of, its health, the newest first bytes and counts.

    `began_at` is the epoch second at which it started its users; `last`: none of them is running any more.
    """

    run_id: str
    began_at: float
    last: bool
    first_bytes: dict[str, int]
    kind_counts: dict[str, int]
    health: ProcessReport


class Worker:
    """The worker's side: reports its health with each report, and its last figures when its users have stopped."""

    def __init__(self, environment: Environment, runner: WorkerRunner, health: ProcessHealth) -> None:
        self._environment = environment
        self._events: Any = environment.events  # untyped
        self._runner = runner
        self._health = health
        self._last = False
        self._began_at = 0.0
        self._first_bytes, self._kind_counts = FirstBytes.of(environment), KindCounts.of(environment)

    def test_start(self, **_: Any) -> None:
        """Begin a run: Locust starts the users next."""
        self._last = False
        self._first_bytes.reset()
        self._kind_counts.reset()
        self._began_at = time.time()
        self._health.begin()

    def report_to_master(self, data: dict[str, Any], **_: Any) -> None:
        """Add this process's health to a report, and the run it belongs to."""
        report = WorkerReport(
            run_id=getattr(self._environment.parsed_options, "run_id", ""),
            began_at=self._began_at,
            last=self._last,
            first_bytes=self._first_bytes.report(),
            kind_counts=self._kind_counts.report(),
            health=self._health.report(warned=self._runner.cpu_warning_emitted),
        )
        data[KEY] = report.model_dump()

    def test_stop(self, **_: Any) -> None:
        """Send what is left: no user is running any more, and Locust has not yet reported that to the master."""
        self._last = True
        data: dict[str, Any] = {}
        self._events.report_to_master.fire(client_id=self._runner.client_id, data=data)
        self._runner.send_message("stats", data)
        # Locust now sleeps for the stop time-out before it is ready again, though its users are gone. The master
        # sends the value anew with each run.
        self._environment.stop_timeout = 0.0

    def quitting(self, **_: Any) -> None:
        """Stop softly before Locust leaves the master."""
        self._environment.process_exit_code = 0
        if self._runner.worker_state != STATE_INIT:
            self._runner.stop()


class Workers:
    """The master's side: which workers took part in the run, their health, and which have sent their last report."""

    def __init__(self, runner: MasterRunner) -> None:
        self._runner = runner
        self._run_id = ""
        self._first_bytes, self._kind_counts = FirstBytes.of(runner.environment), KindCounts.of(runner.environment)
        self._reports: dict[str, ProcessReport] = {}
        self._began_at: float | None = None
        self._part: set[str] = set()
        self._finished: set[str] = set()

    def begin(self, run_id: str) -> None:
        """Begin a run with the workers that are connected. Locust itself never takes back a CPU warning."""
        self._run_id = run_id
        self._reports = {}
        self._began_at = None
        self._finished = set()
        self._part = {client.id for client in self._runner.clients.all if client.state != STATE_MISSING}
        self._runner.cpu_warning_emitted = self._runner.worker_cpu_warning_emitted = False
        for client in self._runner.clients.all:
            client.cpu_warning_emitted = False

    def worker_report(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        """Store a worker's report; one of another run is ignored."""
        report = WorkerReport.model_validate(data[KEY]) if KEY in data else None
        if report is not None and report.run_id == self._run_id:
            self._part.add(client_id)
            self._first_bytes.take(report.first_bytes)
            self._kind_counts.take(report.kind_counts)
            self._began_at = min(report.began_at, self._began_at or report.began_at)
            self._reports[client_id] = report.health
            if report.last:
                self._finished.add(client_id)

    def reports(self) -> list[ProcessReport]:
        return list(self._reports.values())

    def began_at(self) -> float | None:
        """Return the epoch second at which the first worker started its users."""
        return self._began_at

    def complete(self, *, stop: bool, keep: bool) -> None:
        """Wait until every worker that is alive has sent its last report.

        `stop` them first: a headless master would make them quit, and be gone half a second later.
        `keep` them: wait until they are back on the master's list, because only those get its message to quit.
        """
        if stop:
            self._runner.send_message("stop")
        patience = float(self._runner.environment.stop_timeout or 0) + REPORT_GRACE_SECONDS
        if not _wait(lambda: not self._outstanding(), patience):
            log.warning("not every worker sent its last figures: the run may lack requests")
        if keep:
            alive = self._finished - self._lost()
            _wait(lambda: all(self._is_ready(client_id) for client_id in alive), READY_PATIENCE_SECONDS)

    def _outstanding(self) -> set[str]:
        return self._part - self._finished - self._lost()

    def _lost(self) -> set[str]:
        """Workers that are silent for good, or that left without a last report."""
        clients = self._runner.clients
        gone = {client_id for client_id in self._part if client_id not in clients and client_id not in self._finished}
        return gone | {client.id for client in clients.all if client.state == STATE_MISSING}

    def _is_ready(self, client_id: str) -> bool:
        client = self._runner.clients.get(client_id)
        return client is not None and client.state == STATE_INIT


def _wait(done: Callable[[], bool], patience_seconds: float) -> bool:
    deadline = time.monotonic() + patience_seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        gevent.sleep(0.02)
    return True
