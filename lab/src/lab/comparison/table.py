"""A comparison as groups of rows, for the terminal and for a page: what differs, with its noise beside it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from lab.comparison.compare import Comparison, Outcome
from lab.wording import limit_label, value_text, with_unit


@dataclass(frozen=True)
class TableCell:
    """One value, its ratio to the first run with the noise of it. `quiet`: within the noise, or not known."""

    text: str
    quiet: bool = False


@dataclass(frozen=True)
class TableRow:
    """A row, a cell for each column of the comparison."""

    name: str
    cells: Sequence[TableCell] = ()


@dataclass(frozen=True)
class RowGroup:
    """Rows that belong together; never empty."""

    title: str
    rows: Sequence[TableRow]


def row_groups(comparison: Comparison) -> list[RowGroup]:
    """Return the settings that differ, what became of it, and where the time of the mean request moved, if it did."""
    settings = [TableRow(one.name, _plain(one.values)) for one in comparison.settings]
    derived = [TableRow(f"{one.name} (follows)", _plain(one.values, quiet=True)) for one in comparison.derived]
    limits = TableRow("limit", [TableCell(limit_label(one).removeprefix("Limit: ")) for one in comparison.limits])
    known = [one for one in comparison.outcomes if any(value is not None for value in one.values)]
    outcomes = [TableRow(with_unit(one.name, one.unit), _cells(one)) for one in known]
    moved = [TableRow(f"time, {one.name} ms", [_number(value) for value in one.values]) for one in comparison.moved]
    groups = [
        RowGroup("Settings that differ", [*(settings or [TableRow("(no setting differs)")]), *derived]),
        RowGroup("What became of it", [limits, *outcomes]),
        RowGroup("Where the time of the mean request moved", moved),
    ]
    return [group for group in groups if group.rows]


def figure_text(value: float | None) -> str:
    """Return a figure with three or four digits; "-" if there is none."""
    if value is None:
        return "-"
    if float(value).is_integer():
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def _plain(values: Sequence[JsonValue], *, quiet: bool = False) -> list[TableCell]:
    return [TableCell(value_text(value), quiet) for value in values]


def _number(value: JsonValue) -> TableCell:
    return TableCell(figure_text(value if isinstance(value, float) else None))


def _cells(outcome: Outcome) -> list[TableCell]:
    first = outcome.values[0]
    cells = [TableCell(figure_text(first))]
    changes = outcome.changes or [None] * len(outcome.values)
    for value, ratio, change in zip(outcome.values[1:], outcome.ratios[1:], changes[1:], strict=True):
        text = figure_text(value) + (f"  x{ratio:.2f}" if ratio is not None and value is not None else "")
        if change is not None and first:
            text += " ±?" if change.half_width is None else f" ±{change.half_width / abs(first):.2f}"
        cells.append(TableCell(text, quiet=change is not None and not change.differs))
    return cells
