"""`report`: runs as a page with figures."""

import asyncio
import csv
import io
import json
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.text import Text

from lab.backends.compose.run import copy_new_runs
from lab.cli.console import print_json, results
from lab.cli.options import workspace_of
from lab.figures.html_page import html_page
from lab.figures.report import report_sections
from lab.run_document import RunDocument
from lab.store import RunNotFound, RunStore, write_whole
from lab.wording import run_names
from service_kit.exits import UsageError


def report(
    context: typer.Context,
    references: Annotated[list[str], typer.Argument(metavar="RUN...", help="Labels or ids of runs.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the run documents as a JSON list only.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a line of figures for each run as CSV only.")] = False,
) -> int:
    """Write a page with figures of runs: where the time went, second by second.

    One HTML file that needs nothing else; its path is the last line. Several runs are also put side by side;
    the label of repeated runs stands for all of them.
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv: take one of them")
    workspace = workspace_of(context)
    asyncio.run(copy_new_runs(workspace))
    store = RunStore(workspace.checkout.runs)
    try:
        runs = [run for reference in references for run in store.find_repeats(reference)]
    except RunNotFound as error:
        raise UsageError(str(error)) from None
    title = " and ".join(run_names(runs))
    name = "+".join(dict.fromkeys([runs[0].id, *(run.id[-4:] for run in runs[1:])]))
    page = html_page(f"Pool Sandbox: {title}", report_sections(runs))
    path = write_whole(workspace.checkout.runs / "reports" / f"{name[:80]}.html", page)
    if as_json:
        print_json(json.dumps([run.model_dump(mode="json") for run in runs], indent=1))
    elif as_csv:
        sys.stdout.write(csv_text(runs))
    else:
        results().print(Text(str(path)), soft_wrap=True)
    return 0


def csv_text(runs: Sequence[RunDocument]) -> str:
    """Return a line for each run."""
    text = io.StringIO()
    heads = ("id", "label", "started_at", "users", "requests", "failures", "succeeded_rps")
    times = ("mean_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "max_ms", "pool_wait_mean_ms", "limited_by")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*heads, *times])
    for run in runs:
        latency, totals = run.latency_ms, run.totals
        writer.writerow(
            [
                *(run.id, run.label, run.started_at.isoformat(), run.users, totals.requests, totals.failures),
                *(totals.succeeded_rps, latency.mean, latency.p50, latency.p90, latency.p95, latency.p99, latency.max),
                *(run.pool.wait_ms.mean if run.pool else None, run.verdict.bottleneck),
            ]
        )
    return text.getvalue()
