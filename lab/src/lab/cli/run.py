"""`run`: one headless Locust run with these settings."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Annotated, Any

import typer

from lab.backends import service_http as http
from lab.backends.errors import INTERRUPTED, USAGE, SurroundingsFailed, UsageMistake
from lab.backends.foreground import ALREADY_UP
from lab.backends.interface import Stack, stack_on
from lab.backends.locust_run import HeadlessRun, Outcome
from lab.backends.precedence import Settings, Variables
from lab.backends.processes.supervisor import Applied
from lab.backends.selection import DockerOption, Mode, ProcessesOption, asked_mode, mode_to_start, standing_mode
from lab.backends.variables import parse_assignments
from lab.backends.ward import Ward
from lab.backends.workspace import Workspace, workspace_of
from lab.cli.console import notes, print_json, results
from lab.cli.options import add_options
from lab.cli.progress_bar import LiveRun
from lab.cli.summary import print_summary
from lab.cli.waiting import meanwhile, say_what_is_waited_for

_BUSY = ("spawning", "running", "cleanup", "stopping")
_ANOTHER_RUN = "another run of this clone is on ({note}); one at a time"
_FELL_SHORT = 1
_LOOK_EVERY_SECONDS = 1.0
_TAKEN_DOWN = "the sandbox was taken down during the run"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)


def run(
    context: typer.Context,
    variables: Annotated[
        list[str] | None, typer.Argument(metavar="[VAR=value ...]", help="Settings of this run.")
    ] = None,
    users: Annotated[int | None, typer.Option(min=1, max=10_000, help="Users, all at once unless --rate.")] = None,
    rate: Annotated[float | None, typer.Option(help="Users started per second. [default: all at once]")] = None,
    time: Annotated[str | None, typer.Option(help="How long, such as 20s or 2m.")] = None,
    label: Annotated[str | None, typer.Option(help="A name to find and compare it by.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run document only.")] = False,
    docker: DockerOption = False,
    processes: ProcessesOption = False,
) -> int:
    """Run the load once, with these settings.

    They go on top of the baseline (.env and the shell); only what differs is restarted. Uses what is up, or starts
    services for this run alone. Prints figures, what limited the run, and whether all counts agree.

    \b
    ./sandbox run --users 40 --time 10s --label forty \\
        UPSTREAM_LATENCY='constant(100ms)' PROXY_MAX_CONNECTIONS=40
    """
    assignments = parse_assignments(variables or [])
    add_options(assignments, users, rate, time, label)
    workspace = workspace_of(context)
    try:
        return asyncio.run(_Run(workspace, assignments, as_json).whole(asked_mode(docker, processes)))
    except asyncio.CancelledError:  # Ctrl-C before the load began
        notes().print("interrupted; nothing was recorded")
        return INTERRUPTED


class _Run:
    """One run, from taking the lock to the summary."""

    def __init__(self, workspace: Workspace, assignments: Variables, as_json: bool) -> None:
        self._workspace = workspace
        self._assignments = assignments
        self._as_json = as_json
        self._notes = notes()
        self._interrupted = False
        self._taken_down = False

    async def whole(self, asked: Mode | None) -> int:
        """Do it and return the exit code."""
        self._on_interrupt(_cancel_this_task())
        clone = self._workspace.clone
        with clone.held("run", f"pid {os.getpid()}", _ANOTHER_RUN):
            standing = await standing_mode(self._workspace)
            if standing and asked and asked != standing:
                raise UsageMistake(f"--{asked}: the sandbox is up, as {standing}; ./sandbox down first")
            if standing:
                return await self._on(stack_on(self._workspace, standing, own=False))
            mode = await mode_to_start(self._workspace, asked)
            with clone.held("up", f"for one run, pid {os.getpid()}", ALREADY_UP):
                return await self._on(stack_on(self._workspace, mode, own=True))

    async def _on(self, stack: Stack) -> int:
        settings = Settings(self._workspace.baseline(await stack.baseline_shell()), self._assignments)
        await _refuse_if_busy(await stack.ui_url())
        ward = Ward()
        try:
            with LiveRun(self._notes) as live:
                live.say("bringing the services to these settings ...")
                applied = await meanwhile(stack.apply(settings), say_what_is_waited_for(stack, live))
                self._notes.print(what_differs(settings, applied), soft_wrap=True)
                headless = await HeadlessRun.start(await stack.headless(settings), self._workspace.clone.root, ward)
                self._on_interrupt(self._interrupt(headless))
                outcome = await meanwhile(headless.follow(live.show), self._watch(stack, headless))
            self._taken_down = not self._interrupted and (self._taken_down or not await stack.is_up())
            if outcome.run_id is None:
                return self._nothing(outcome)
            document = await stack.fetch(outcome)
        finally:
            ward.close()
            await stack.close()
        if self._as_json:
            print_json(document.model_dump_json(indent=1))
        else:
            print_summary(results(), document, self._workspace.clone.runs / f"{document.id}.json")
        if self._taken_down:
            raise SurroundingsFailed(_TAKEN_DOWN)
        if outcome.exit_code == INTERRUPTED or document.status == "interrupted":
            return INTERRUPTED
        return _FELL_SHORT if document.totals.failures == document.totals.requests > 0 else 0

    async def _watch(self, stack: Stack, headless: HeadlessRun) -> None:
        """End the run when somebody takes its services away; what was measured before is kept."""
        if not stack.watched:
            return
        while await stack.is_up():  # noqa: ASYNC110 (nobody tells us)
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        if not self._interrupted:
            self._taken_down = True
            headless.interrupt()

    def _nothing(self, outcome: Outcome) -> int:
        """Say why nothing was recorded, and return the code that says so."""
        if self._taken_down:
            raise SurroundingsFailed(f"{_TAKEN_DOWN}; nothing was recorded")
        if outcome.exit_code in (INTERRUPTED, -signal.SIGKILL):
            self._notes.print("interrupted; nothing was recorded")
            return INTERRUPTED
        last = "\n".join(f"  {line}" for line in outcome.tail)
        if outcome.exit_code == USAGE:
            raise UsageMistake("\n".join(outcome.tail))
        if outcome.exit_code not in (0, _FELL_SHORT):
            raise SurroundingsFailed(f"Locust ended with exit code {outcome.exit_code}; its last lines:\n{last}")
        self._notes.print(f"nothing could be measured; Locust's last lines:\n{last}", markup=False, soft_wrap=True)
        return _FELL_SHORT

    def _interrupt(self, headless: HeadlessRun) -> Callable[[], None]:
        def ask_to_stop() -> None:
            self._interrupted = True
            self._notes.print("stopping; what was measured is kept (Ctrl-C again: at once)")
            headless.interrupt()

        return ask_to_stop

    def _on_interrupt(self, react: Callable[[], Any]) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, react)


def what_differs(settings: Settings, applied: Applied) -> str:
    """Return one line: what the command line changes of the baseline, and what had to be restarted for it."""
    rows = [
        f"{name}={now or '(unset)'}" + (f" (was {was})" if was else "")
        for name, was, now in settings.differences()
        if name != "LAB_RUN_LABEL"
    ]
    differs = f"differs from the baseline: {' '.join(rows)}" if rows else "the baseline as it is"
    again = [name + (" (no longer as it was started)" if name in applied.altered else "") for name in applied.restarted]
    done = [
        f"{what}: {', '.join(names)}" for what, names in (("started", applied.started), ("restarted", again)) if names
    ]
    return f"{differs}; {'; '.join(done) or 'nothing restarted'}"


async def _refuse_if_busy(url: str | None) -> None:
    if url is None:
        return
    state = (await http.get_json(f"{url}/lab/health")).get("state")
    if state in _BUSY:
        raise SurroundingsFailed(f"a run is on in the Locust UI ({url}); stop it there, or wait for its end")


def _cancel_this_task() -> Callable[[], Any]:
    task = asyncio.current_task()
    assert task is not None
    return task.cancel
