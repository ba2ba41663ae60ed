"""`compare`: runs side by side."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab.cli.console import print_json, results
from lab.cli.options import workspace_of
from lab.cli.past_runs import find_runs
from lab.comparison.compare import Comparison, Outcome
from lab.wording import value_text
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
    for difference in comparison.settings:
        table.add_row(difference.name, *map(value_text, difference.values))
    if not comparison.settings:
        table.add_row("(no setting differs)")
    for difference in comparison.derived:
        table.add_row(f"{difference.name} (follows)", *map(value_text, difference.values), style=_QUIET)
    table.add_row()
    table.add_row("limit", *comparison.limits)
    for outcome in comparison.outcomes:
        if any(value is not None for value in outcome.values):
            table.add_row(f"{outcome.name} {outcome.unit}".strip(), *_cells(outcome))
    for place in comparison.moved:
        values = [value if isinstance(value, float) else None for value in place.values]
        table.add_row(f"time, {place.name} ms", *[_figure(value) for value in values])
    console.print(table)
    console.print()
    console.print(comparison.sentence, markup=False)
    if comparison.noise:
        console.print(comparison.noise, markup=False, style=_QUIET)


def _cells(outcome: Outcome) -> list[Text]:
    """Return the values, with ratio and noise to the first run; grey where they differ by no more than that."""
    first = outcome.values[0]
    cells = [Text(_figure(first))]
    changes = outcome.changes or [None] * len(outcome.values)
    for value, ratio, change in zip(outcome.values[1:], outcome.ratios[1:], changes[1:], strict=True):
        words = _figure(value) + (f"  x{ratio:.2f}" if ratio is not None and value is not None else "")
        if change is not None and first:
            words += " ±?" if change.half_width is None else f" ±{change.half_width / abs(first):.2f}"
        cells.append(Text(words, style=_QUIET if change is not None and not change.differs else ""))
    return cells


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    if float(value).is_integer():
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
