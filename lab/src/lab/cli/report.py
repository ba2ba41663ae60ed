"""`report`: runs as a page with figures."""

import json
import sys
from typing import Annotated

import typer
from rich.text import Text

from lab.cli.console import print_json, results
from lab.cli.options import workspace_of
from lab.cli.past_runs import find_runs
from lab.figures.html_page import html_page
from lab.figures.report import report_sections
from lab.store import csv_text, summarise, write_whole
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
    runs = find_runs(workspace, references)
    title = " and ".join(run_names(runs))
    name = "+".join(dict.fromkeys([runs[0].id, *(run.id[-4:] for run in runs[1:])]))
    page = html_page(f"Pool Sandbox: {title}", report_sections(runs))
    path = write_whole(workspace.checkout.runs / "reports" / f"{name[:80]}.html", page)
    if as_json:
        print_json(json.dumps([run.model_dump(mode="json") for run in runs], indent=1))
    elif as_csv:
        sys.stdout.write(csv_text([summarise(run) for run in runs]))
    else:
        results().print(Text(str(path)), soft_wrap=True)
    return 0
