"""`run`: one headless Locust run with these settings."""

import asyncio
import os
import re
import signal
from collections.abc import Callable
from typing import Annotated, Any

import typer

from lab.cli.console import notes, print_json, results
from lab.cli.live import LiveRun
from lab.cli.modes import DockerOption, Mode, ProcessesOption, asked_mode, mode_to_start, standing_mode
from lab.cli.stack import Stack
from lab.cli.summary import print_summary
from lab.cli.workspace import Workspace, workspace_of
from lab.environment.failures import INTERRUPTED, USAGE, SurroundingsFailed, UsageMistake
from lab.environment.layers import Settings, Variables
from lab.environment.variables import parse_assignments
from lab.processes import http
from lab.processes.headless import HeadlessRun, Outcome
from lab.processes.supervisor import Applied
from lab.processes.up import ALREADY_UP
from lab.processes.ward import Ward

_BUSY = ("spawning", "running", "cleanup", "stopping")
_ANOTHER_RUN = "another run of this clone is on ({note}); one at a time"
_NOTHING_RECORDED = 1


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
    _add_options(assignments, users, rate, time, label)
    workspace = workspace_of(context)
    try:
        return asyncio.run(_Run(workspace, assignments, as_json).whole(asked_mode(docker, processes)))
    except asyncio.CancelledError:  # Ctrl-C before the load began
        return INTERRUPTED


def _add_options(
    assignments: Variables, users: int | None, rate: float | None, time: str | None, label: str | None
) -> None:
    if time is not None and not (time and re.fullmatch(r"([0-9]+h)?([0-9]+m)?([0-9]+s?)?", time)):
        raise UsageMistake(f"--time {time!r}: not a duration, such as 20s, 2m or 1m30s")
    if rate is not None and not rate > 0:
        raise UsageMistake(f"--rate {rate:g}: must be more than 0")
    if users is not None and rate is None and "LOCUST_SPAWN_RATE" not in assignments:
        rate = users
    options = {
        "LOCUST_USERS": users,
        "LOCUST_SPAWN_RATE": None if rate is None else f"{rate:g}",
        "LOCUST_RUN_TIME": time,
        "LAB_RUN_LABEL": label,
    }
    for name, value in options.items():
        if value is not None and name in assignments:
            raise UsageMistake(f"{name}={assignments[name]}: given as an option too; take one of them")
        if value is not None:
            assignments[name] = str(value)


class _Run:
    """One run, from taking the lock to the summary."""

    def __init__(self, workspace: Workspace, assignments: Variables, as_json: bool) -> None:
        self._workspace = workspace
        self._assignments = assignments
        self._as_json = as_json
        self._notes = notes()

    async def whole(self, asked: Mode | None) -> int:
        """Do it and return the exit code."""
        self._on_interrupt(_cancel_this_task())
        clone = self._workspace.clone
        with clone.held("run", f"pid {os.getpid()}", _ANOTHER_RUN):
            standing = await standing_mode(self._workspace)
            if standing and asked and asked != standing:
                raise UsageMistake(f"--{asked}: the sandbox is up, as {standing}; ./sandbox down first")
            if standing:
                return await self._on(_stack(self._workspace, standing, own=False))
            mode = await mode_to_start(self._workspace, asked)
            with clone.held("up", f"for one run, pid {os.getpid()}", ALREADY_UP):
                return await self._on(_stack(self._workspace, mode, own=True))

    async def _on(self, stack: Stack) -> int:
        settings = Settings(self._workspace.baseline(await stack.baseline_shell()), self._assignments)
        await _refuse_if_busy(await stack.ui_url())
        ward = Ward()
        try:
            with LiveRun(self._notes) as live:
                live.say("bringing the services to these settings ...")
                applied = await stack.apply(settings)
                self._notes.print(what_differs(settings, applied), soft_wrap=True)
                headless = await HeadlessRun.start(await stack.headless(settings), self._workspace.clone.root, ward)
                self._on_interrupt(self._interrupt(headless))
                outcome = await headless.follow(live.show)
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
        return INTERRUPTED if outcome.exit_code == INTERRUPTED or document.status == "interrupted" else 0

    def _nothing(self, outcome: Outcome) -> int:
        """Say why nothing was recorded, and return the code that says so."""
        if outcome.exit_code in (INTERRUPTED, -signal.SIGKILL):
            self._notes.print("interrupted; nothing was recorded")
            return INTERRUPTED
        last = "\n".join(f"  {line}" for line in outcome.tail)
        if outcome.exit_code == USAGE:
            raise UsageMistake("\n".join(outcome.tail))
        if outcome.exit_code not in (0, _NOTHING_RECORDED):
            raise SurroundingsFailed(f"Locust ended with exit code {outcome.exit_code}; its last lines:\n{last}")
        self._notes.print(f"nothing could be measured; Locust's last lines:\n{last}", markup=False, soft_wrap=True)
        return _NOTHING_RECORDED

    def _interrupt(self, headless: HeadlessRun) -> Callable[[], None]:
        def ask_to_stop() -> None:
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
    done = [
        f"{what}: {', '.join(names)}"
        for what, names in (("started", applied.started), ("restarted", applied.restarted))
        if names
    ]
    return f"{differs}; {'; '.join(done) or 'nothing restarted'}"


async def _refuse_if_busy(url: str | None) -> None:
    if url is None:
        return
    state = (await http.get_json(f"{url}/lab/health")).get("state")
    if state in _BUSY:
        raise SurroundingsFailed(f"a run is on in the Locust UI ({url}); stop it there, or wait for its end")


def _stack(workspace: Workspace, mode: Mode, own: bool) -> Stack:
    if mode == "docker":
        from lab.cli.compose_stack import ComposeStack

        return ComposeStack(workspace, own)
    from lab.cli.process_stacks import OwnProcesses, SupervisedStack

    return OwnProcesses(workspace) if own else SupervisedStack(workspace)


def _cancel_this_task() -> Callable[[], Any]:
    task = asyncio.current_task()
    assert task is not None
    return task.cancel
