"""`runs`: what has been run."""

import json
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from lab.cli.console import number, print_json, results
from lab.cli.options import workspace_of
from lab.cli.past_runs import NO_RUNS, past_runs
from lab.run_name import group_words, run_name
from lab.store import RunSummary

_ENDS = {"finished": "done", "interrupted": "cut", "reset": "reset"}
"""A status as a short word: the list must fit 80 columns."""


def runs(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON and nothing else.")] = False,
) -> int:
    """List past runs, newest first.

    Times are UTC, as in the ids; a run can be called by its label, its id, or the four characters that end it. How it
    ended: done, cut (interrupted) or reset (in the Locust UI). Behind the label of repeats is their group.
    """
    workspace = workspace_of(context)
    summaries = past_runs(workspace).summaries()
    if as_json:
        print_json(json.dumps([summary.model_dump(mode="json") for summary in summaries], indent=1))
    elif summaries:
        results().print(_table(summaries))
    else:
        results().print(NO_RUNS)
    return 0


def _table(summaries: list[RunSummary]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("run", "label", "end", "users", "pool", "req/s", "p50", "p99", "failed", "limit"):
        wraps = heading == "label"
        justify: Literal["left", "right"] = "left" if heading in ("run", "label", "end", "limit") else "right"
        table.add_column(heading, justify=justify, no_wrap=not wraps, overflow="fold")
    for run in summaries:
        table.add_row(
            run_name("", run.started_at, run.id),
            Text(", ".join(filter(None, (run.label, group_words(run.group))))),
            _ENDS.get(run.status, run.status),
            str(run.users),
            number(run.max_connections),
            number(run.rps, 1),
            number(run.p50_ms),
            number(run.p99_ms),
            str(run.failures),
            run.bottleneck,
        )
    return table
