"""`run`: one headless Locust run with these settings."""

import asyncio
from typing import Annotated

import typer

from lab.backends.variables import Variables, parse_assignments
from lab.backends.workspace import Mode, Workspace
from lab.cli.console import notes, print_json, results
from lab.cli.options import DockerOption, LoadOptions, ProcessesOption, requested_mode, workspace_of
from lab.cli.repeats import run_repeats
from lab.cli.run_bounds import MaxFailRatioOption, MaxP99Option, MinRpsOption, RunBounds, held_to
from lab.cli.run_session import TAKEN_DOWN, RunSession
from lab.cli.summary import print_summary
from service_kit.exits import ExitCode, UnavailableError


def run(
    context: typer.Context,
    variables: Annotated[
        list[str] | None, typer.Argument(metavar="[VAR=value ...]", help="Settings of this run.")
    ] = None,
    users: Annotated[int | None, typer.Option(min=1, max=10_000, help="Users, all at once unless --rate.")] = None,
    rate: Annotated[float | None, typer.Option(help="Users started per second. [default: all at once]")] = None,
    time: Annotated[str | None, typer.Option(help="How long, such as 20s or 2m.")] = None,
    label: Annotated[str | None, typer.Option(help="A name to find and compare it by.")] = None,
    repeat: Annotated[int, typer.Option(min=1, max=100, help="Runs in a row, as one group.")] = 1,
    objective: Annotated[
        str | None, typer.Option(help="What the run is to reach, such as 'p99 < 1s, failures < 1%'.")
    ] = None,
    max_p99_ms: MaxP99Option = None,
    max_fail_ratio: MaxFailRatioOption = None,
    min_rps: MinRpsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run document only, of repeats a list.")] = False,
    docker: DockerOption = False,
    processes: ProcessesOption = False,
) -> int:
    """Run the load once, with these settings.

    They go on top of the baseline (.env and the shell); only what differs is restarted. Uses what is up, or starts
    services for this run alone. Prints figures, what limited the run, and whether all counts agree. With --repeat it
    prints by how much the runs differ, which `compare` takes for their noise. With --max-p99-ms, --max-fail-ratio or
    --min-rps a run that does not keep to them ends with exit code 1.

    \b
    ./sandbox run --users 40 --time 10s --label forty \\
        UPSTREAM_LATENCY='constant(100ms)' PROXY_MAX_CONNECTIONS=40
    """
    assignments = parse_assignments(variables or [])
    LoadOptions(users, rate, time, label, objective).add_to(assignments)
    workspace = workspace_of(context)
    requested = requested_mode(docker, processes)
    bounds = RunBounds(max_p99_ms, max_fail_ratio, min_rps)
    try:
        if repeat > 1:
            return asyncio.run(run_repeats(workspace, assignments, requested, repeat, bounds, as_json))
        return asyncio.run(run_once(workspace, assignments, requested, bounds, as_json))
    except asyncio.CancelledError:  # Ctrl-C before the load began
        notes().print("interrupted; nothing was recorded")
        return ExitCode.INTERRUPTED


async def run_once(
    workspace: Workspace, assignments: Variables, requested: Mode | None, bounds: RunBounds, as_json: bool
) -> int:
    """Make one run, print it and return the exit code."""
    async with RunSession.opened(workspace, requested) as session:
        outcome = await session.run(assignments)
    document = outcome.document
    if document is not None and as_json:
        print_json(document.model_dump_json(indent=1))
    elif document is not None:
        print_summary(results(), document, workspace.checkout.runs / f"{document.id}.json")
    if outcome.taken_down:
        raise UnavailableError(TAKEN_DOWN)
    return held_to(bounds, outcome)
