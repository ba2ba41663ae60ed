"""`runs`: what has been run."""

import asyncio
import json
from typing import Annotated

import typer
from rich.table import Table

from lab.cli.console import number, print_json, results
from lab.cli.fetch import fetch_new_runs
from lab.cli.workspace import workspace_of
from lab.store import RunStore, RunSummary


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(runs)


def runs(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON and nothing else.")] = False,
) -> int:
    """List past runs, newest first."""
    workspace = workspace_of(context)
    asyncio.run(fetch_new_runs(workspace))
    summaries = RunStore(workspace.clone.runs).summaries()
    if as_json:
        print_json(json.dumps([summary.model_dump(mode="json") for summary in summaries], indent=1))
    elif summaries:
        results().print(_table(summaries))
    else:
        results().print("no runs yet; ./sandbox run makes one")
    return 0


def _table(summaries: list[RunSummary]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for heading in ("run", "label", "users", "pool", "req/s", "p50", "p99", "failed", "limited by"):
        table.add_column(heading, justify="left" if heading in ("run", "label", "limited by") else "right")
    table.columns[0].no_wrap = True
    for run in summaries:
        table.add_row(
            run.id,
            run.label if run.status == "finished" else f"{run.label} ({run.status})".strip(),
            str(run.users),
            number(run.max_connections),
            number(run.rps, 1),
            number(run.p50_ms),
            number(run.p99_ms),
            str(run.failures),
            run.bottleneck,
        )
    return table
