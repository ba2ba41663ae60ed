"""`compare`: runs side by side."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab.cli.console import print_json, results
from lab.cli.options import workspace_of
from lab.cli.past_runs import find_runs
from lab.comparison.compare import Comparison
from lab.comparison.table import row_groups
from service_kit.exits import UsageError

_QUIET = "bright_black"
_NAMES_WIDTH, _GAP, _NARROWEST = 22, 2, 8
"""Columns of a table: the longest name of a figure without its unit, the space between columns, the least for a run."""


def compare(
    context: typer.Context,
    references: Annotated[list[str], typer.Argument(metavar="A B [C...]", help="Labels or ids of runs.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON and nothing else.")] = False,
) -> int:
    """Show runs side by side: settings and outcome.

    The label of repeated runs (run --repeat), or the id of their group, stands for all of them.
    """
    from lab.comparison.compare import compare as side_by_side

    workspace = workspace_of(context)
    if len(references) < 2:
        raise UsageError("compare: needs at least two runs, by label or id; ./sandbox runs lists them")
    found = find_runs(workspace, references)
    comparison = side_by_side(found)
    if as_json:
        print_json(comparison.model_dump_json(indent=1))
    else:
        print_comparison(results(), comparison)
    return 0


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print concerns, the settings that differ, the outcomes with their change, where time moved, and the sentence."""
    for concern in comparison.concerns:
        console.print(f"beware: {concern}", markup=False)
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    table.add_column("", overflow="fold")
    widest = max((console.width - _NAMES_WIDTH) // len(comparison.runs) - _GAP, _NARROWEST)
    for name in comparison.runs:
        table.add_column(name, justify="right", overflow="fold", max_width=widest)
    for number, group in enumerate(row_groups(comparison)):
        if number:
            table.add_row()
        for row in group.rows:
            table.add_row(row.name, *(Text(cell.text, style=_QUIET if cell.quiet else "") for cell in row.cells))
    console.print(table)
    console.print()
    console.print(comparison.sentence, markup=False)
    if comparison.noise:
        console.print(comparison.noise, markup=False, style=_QUIET)
