"""`sweep`: the same load over many settings."""

import asyncio
import sys
from dataclasses import replace
from typing import Annotated

import typer
from rich.text import Text

from lab.backends.variables import Variables, parse_assignments
from lab.backends.workspace import Workspace
from lab.cli.console import notes, print_json, results
from lab.cli.options import DockerOption, LoadOptions, ProcessesOption, duration_seconds, requested_mode, workspace_of
from lab.cli.sweep_folder import SweepFolder
from lab.cli.sweep_session import SweepSession
from lab.cli.sweep_table import csv_text, page_of, print_report
from lab.objective import parse_objective
from lab.sweep.axes import AxisError, axes_of
from lab.sweep.plan import Plan
from lab.sweep.report import along
from service_kit.exits import UsageError

_GRID_TIME, _SEARCH_TIME, _WITHIN = "10s", "20s", "4m"
_MARGIN_SECONDS = 10.0
"""Kept of --within for ending the services and drawing the page."""


def sweep(
    context: typer.Context,
    variables: Annotated[
        list[str], typer.Argument(metavar="VAR=5,10,20 [...]", help="Several values are swept, one value is fixed.")
    ],
    users: Annotated[int | None, typer.Option(min=1, max=10_000, help="Users, all at once.")] = None,
    time: Annotated[str | None, typer.Option(help="How long each run is. [default: 10s, in a search 20s]")] = None,
    repeat: Annotated[int, typer.Option(min=1, max=50, help="Rounds, each shuffled anew.")] = 1,
    objective: Annotated[
        str | None, typer.Option(help="Find the smallest setting that holds it, such as 'p99 < 1s'.")
    ] = None,
    within: Annotated[str, typer.Option(help="How long a search may take.")] = _WITHIN,
    seed: Annotated[int, typer.Option(min=0, help="Of the order of the runs.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON only.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the table as CSV only.")] = False,
    docker: DockerOption = False,
    processes: ProcessesOption = False,
) -> int:
    """Run the same load over many settings: table, knee, figure, and what to set.

    All combinations are run, in shuffled order, on one set of services. A range, 1..60, is spread over eight values;
    with --objective it is searched for the smallest value that holds it. Ctrl-C keeps what was measured, and the same
    command goes on from there.

    \b
    ./sandbox sweep PROXY_MAX_CONNECTIONS=5,10,20,40 --time 5s
    ./sandbox sweep PROXY_MAX_CONNECTIONS=1..60 --objective 'p99 < 1s' \\
        --users 60 UPSTREAM_LATENCY='lognormal(80ms, p99=600ms)'
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv: take one of them")
    workspace = workspace_of(context)
    options = LoadOptions(users, time=time, objective=objective)
    plan = plan_of(workspace, parse_assignments(variables), options, repeat, seed)
    within_seconds = duration_seconds("--within", within.strip()) - _MARGIN_SECONDS
    load_seconds = duration_seconds("--time", plan.fixed["LOCUST_RUN_TIME"].strip())
    session = SweepSession(workspace, plan, load_seconds, within_seconds)
    swept = asyncio.run(session.run(requested_mode(docker, processes)))
    if swept.report is None:
        notes().print("nothing was recorded")
        return swept.exit_code
    axis = along(plan)
    page = page_of(swept.report, axis.variable if axis else None)
    path = SweepFolder(workspace.checkout.runs).write_text(f"{swept.report.id}.html", page)
    if as_json:
        print_json(swept.report.model_dump_json(indent=1))
    elif as_csv:
        sys.stdout.write(csv_text(swept.report))
    else:
        print_report(results(), swept.report)
        results().print(Text(str(path)), soft_wrap=True)
    return swept.exit_code


def plan_of(workspace: Workspace, assignments: Variables, options: LoadOptions, repeat: int, seed: int) -> Plan:
    """Return what the command line asks for. Raises UsageError."""
    given = assignments.pop("LAB_OBJECTIVE", None)  # it may have commas
    if given is not None and options.objective is not None:
        raise UsageError(f"LAB_OBJECTIVE={given}: given as an option too; take one of them")
    if "LAB_RUN_LABEL" in assignments:
        raise UsageError("LAB_RUN_LABEL: the runs of a sweep are labelled by their settings")
    try:
        axes, fixed = axes_of(assignments)
    except AxisError as error:
        raise UsageError(str(error)) from None
    swept = [axis.variable for axis in axes]
    if options.users is not None and "LOCUST_USERS" in swept:
        raise UsageError(f"--users {options.users}: LOCUST_USERS is swept; take one of them")
    objective = options.objective or given or workspace.baseline().get("LAB_OBJECTIVE") or None
    replace(options, objective=objective).add_to(fixed)
    plan = Plan(axes, fixed, repeat, seed, parse_objective(fixed.get("LAB_OBJECTIVE", "")))
    fixed.setdefault("LOCUST_RUN_TIME", _SEARCH_TIME if plan.is_search else _GRID_TIME)
    return plan
