"""Runs from taking the lock to their documents."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from lab.backends.control_socket import Applied
from lab.backends.foreground import ALREADY_UP
from lab.backends.locust_run import FinishedRun, LocustRun
from lab.backends.run_backend import RunBackend
from lab.backends.selection import mode_to_start, run_backend, running_mode
from lab.backends.ui_lock import UiLock
from lab.backends.variables import RunVariables, Variables
from lab.backends.workspace import MODE_WORDS, Mode, Workspace
from lab.calling_pattern import FORWARD
from lab.cli.console import notes
from lab.cli.progress_bar import RunProgress
from lab.run_document import RunDocument
from service_kit.exits import ExitCode, UnavailableError, UsageError

T = TypeVar("T")

_ANOTHER_RUN = "another run of this clone is on ({note}); one at a time"
_LOOK_EVERY_SECONDS = 1.0
_WAITING_EVERY_SECONDS = 3.0
TAKEN_DOWN = "the sandbox was taken down during the run"


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended. `document` is None where nothing was recorded; `taken_down`: the services went away."""

    exit_code: int
    document: RunDocument | None = None
    taken_down: bool = False


class RunSession:
    """Runs, one after the other, on the services that are up, or on ones that are started for them."""

    def __init__(self, workspace: Workspace, backend: RunBackend) -> None:
        self._workspace = workspace
        self._backend = backend
        self._ui_lock = UiLock()
        self._notes = notes()
        self._interrupted = False
        self._taken_down = False

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, workspace: Workspace, requested: Mode | None) -> AsyncIterator["RunSession"]:
        """Give a session in the mode that is up, else in the one to start; end at exit what was started for it."""
        _on_interrupt(_cancel_this_task())
        checkout = workspace.checkout
        with contextlib.ExitStack() as locks:
            locks.enter_context(checkout.locked("run", f"pid {os.getpid()}", _ANOTHER_RUN))
            running = await running_mode(workspace)
            if running and requested and requested != running:
                raise UsageError(f"--{requested}: the sandbox is up, {MODE_WORDS[running]}; ./sandbox down first")
            mode = running or await mode_to_start(workspace, requested)
            if not running:
                locks.enter_context(checkout.locked("up", f"for one run, pid {os.getpid()}", ALREADY_UP))
            backend = run_backend(workspace, mode, own=not running)
            session = cls(workspace, backend)
            try:
                yield session
            finally:
                await session._ui_lock.release()
                await backend.close()

    @property
    def mode(self) -> Mode:
        return self._backend.mode

    async def check(self, runs: Sequence[Variables]) -> None:
        """Check the assignments of several runs before the first. Raises ExitError; Ctrl-C as before a load."""
        _on_interrupt(_cancel_this_task())
        baseline = self._workspace.baseline(await self._backend.shell_of_up())
        variables = [RunVariables(baseline, assignments) for assignments in runs]
        for each in variables:
            refuse_tuned_pattern(each.load)
        await self._backend.check(variables)

    async def run(self, assignments: Variables, progress: RunProgress | None = None) -> RunOutcome:
        """Bring the services to the baseline and these assignments and make one run. Raises ExitError.

        A Ctrl-C while the load is on stops it and keeps what was measured; before, it is an asyncio.CancelledError.
        """
        if self._interrupted:
            return RunOutcome(ExitCode.INTERRUPTED)
        _on_interrupt(_cancel_this_task())
        backend = self._backend
        variables = RunVariables(self._workspace.baseline(await backend.shell_of_up()), assignments)
        refuse_tuned_pattern(variables.load)
        await self._ui_lock.take(await backend.ui_url())
        finished = await self._load(variables, progress or RunProgress(self._notes))
        self._taken_down = not self._interrupted and (self._taken_down or not await backend.is_up())
        if not finished.run_id:
            return self._not_recorded(finished)
        document = await backend.fetch(finished)
        code = ExitCode.OK
        if finished.exit_code == ExitCode.INTERRUPTED or document.status == "interrupted":
            code = ExitCode.INTERRUPTED
        elif document.totals.failures == document.totals.requests > 0:
            code = ExitCode.FELL_SHORT
        return RunOutcome(code, document, self._taken_down)

    async def _load(self, variables: RunVariables, shown: RunProgress) -> FinishedRun:
        """Bring the services to these variables and make the load, with its progress shown."""
        backend = self._backend
        with shown as progress:
            progress.message("bringing the services to these settings ...")
            applied = await _meanwhile(backend.apply(variables), _show_waiting(backend, progress))
            progress.differs(what_differs(variables, applied))
            command = await backend.locust_command(variables)
            locust = await LocustRun.start(command, self._workspace.checkout.root)
            _on_interrupt(lambda: self._interrupt(locust))
            return await _meanwhile(locust.follow(progress.show), self._watch(locust))

    async def _watch(self, locust: LocustRun) -> None:
        """End the run when its services are taken away; what was measured before is kept."""
        if not self._backend.watched:
            return
        while await self._backend.is_up():  # noqa: ASYNC110 (there is nothing to wait on)
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        if not self._interrupted:
            self._taken_down = True
            locust.interrupt()

    def _not_recorded(self, finished: FinishedRun) -> RunOutcome:
        """Print why nothing was recorded, or raise ExitError."""
        if self._taken_down:
            raise UnavailableError(f"{TAKEN_DOWN}; nothing was recorded")
        # a Locust that is still starting ends by Python's own way with a SIGINT
        if self._interrupted or finished.exit_code in (ExitCode.INTERRUPTED, -signal.SIGKILL):
            self._notes.print("interrupted; nothing was recorded")
            return RunOutcome(ExitCode.INTERRUPTED)
        last = "\n".join(f"  {line}" for line in finished.tail)
        if finished.exit_code == ExitCode.USAGE:
            raise UsageError(finished.tail)
        if finished.exit_code not in (ExitCode.OK, ExitCode.FELL_SHORT):
            raise UnavailableError(f"Locust ended with exit code {finished.exit_code}; its last lines:\n{last}")
        self._notes.print(f"nothing could be measured; Locust's last lines:\n{last}", markup=False, soft_wrap=True)
        return RunOutcome(ExitCode.FELL_SHORT)

    def _interrupt(self, locust: LocustRun) -> None:
        self._interrupted = True
        self._notes.print("stopping; what was measured is kept (Ctrl-C again: at once)")
        locust.interrupt()


def refuse_tuned_pattern(variables: Variables) -> None:
    """Raise UsageError for a calling pattern on a proxy that is going to be tuned, which refuses it."""
    pattern = variables.get("LAB_PATTERN", "").strip()
    client, tuning = (variables.get(name, "").strip() for name in ("PROXY_CLIENT", "PROXY_TUNING"))
    if pattern in ("", FORWARD) or not (tuning == "on" or (not tuning and client == "httpcore")):
        return
    cause = f"PROXY_TUNING='{tuning}'" if tuning else f"PROXY_CLIENT='{client}'"
    raise UsageError(f"{cause}: the proxy is tuned and refuses LAB_PATTERN='{pattern}'; allowed: PROXY_TUNING=off")


def what_differs(variables: RunVariables, applied: Applied) -> str:
    """Return one line: what the command line sets for this run, and what had to be done for it.

    Not every value that is set differs: where the baseline has none, only the part knows its default.
    """
    rows = [
        f"{name}={now or '(unset)'}" + (f" (was {was})" if was else "")
        for name, was, now in variables.differences()
        if name not in ("LAB_RUN_LABEL", "LAB_RUN_GROUP")
    ]
    differs = f"for this run: {' '.join(rows)}" if rows else "the baseline as it is"
    again = [name + (" (no longer as it was started)" if name in applied.altered else "") for name in applied.restarted]
    all_done = (("started", applied.started), ("restarted", again), ("changed while it ran", applied.changed))
    done = [f"{what}: {', '.join(names)}" for what, names in all_done if names]
    return f"{differs}; {'; '.join(done) or 'nothing restarted'}"


def _on_interrupt(react: Callable[[], Any]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, react)


def _cancel_this_task() -> Callable[[], Any]:
    task = asyncio.current_task()
    assert task is not None
    return task.cancel


async def _meanwhile(work: Coroutine[Any, Any, T], beside: Coroutine[Any, Any, None]) -> T:
    """Do the work, and cancel the other when it is done."""
    task = asyncio.create_task(beside)
    try:
        return await work
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def _show_waiting(backend: RunBackend, progress: RunProgress) -> None:
    """Show every few seconds what the services are waited for, until cancelled."""
    begun = time.monotonic()
    while True:
        await asyncio.sleep(_WAITING_EVERY_SECONDS)
        with contextlib.suppress(UnavailableError):
            text = await backend.waiting_for() or "bringing the services to these settings"
            progress.wait(f"{text}, {time.monotonic() - begun:.0f} s so far ...")
