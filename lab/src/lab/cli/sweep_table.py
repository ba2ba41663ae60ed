"""A sweep's report on the terminal, as CSV and as a page."""

import csv
import io

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab.cli.console import number
from lab.figures.html_page import Section, html_page
from lab.figures.sweep import sweep_figures
from lab.sweep.axes import cell_words
from lab.sweep.report import ReportedCell, SweepReport

_HEADS = ("requests/s", "predicted", "p50", "p99 ms", "wait", "failed", "limited by")


def print_report(console: Console, report: SweepReport) -> None:
    """Print a row for each cell with its 90 % interval, what was found, and the lines for .env."""
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    console.print(Text(" ".join(report.variables)))
    table.add_column("", overflow="fold")
    for head in _HEADS:
        table.add_column(head, justify="left" if head == "limited by" else "right", no_wrap=True)
    for cell in report.cells:
        style = "bold" if report.chosen == cell.figures.settings else None
        table.add_row(_name(cell), *_row(cell), style=style)
    console.print(table)
    console.print()
    for words in report.words:
        console.print(Text(words))
    if report.set:
        console.print("for .env:")
        for name, value in report.set.items():
            console.print(Text(f"{name}={value}", style="bold"), soft_wrap=True)


def csv_text(report: SweepReport) -> str:
    """Return a line for each cell, its variables first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [
            *report.variables,
            *("requests", "failed_share", "throughput_rps", "throughput_low_rps", "throughput_high_rps"),
            *("predicted_rps", "mean_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "pool_wait_mean_ms"),
            *("limited_by", "holds", "runs"),
        ]
    )
    for cell in report.cells:
        one = cell.figures
        writer.writerow(
            [
                *one.settings.values(),
                *(one.requests, one.failed_share, one.throughput_rps, cell.throughput_low, cell.throughput_high),
                one.forecast.throughput_rps if one.forecast else None,
                *(one.mean_ms, one.p50_ms, one.p90_ms, one.p95_ms, one.p99_ms, one.pool_wait_mean_ms),
                *(one.bottleneck, cell.objective.holds if cell.objective else None, " ".join(one.runs)),
            ]
        )
    return text.getvalue()


def page_of(report: SweepReport, variable: str | None) -> str:
    """Return the page with the figures over a variable, or by cell."""
    fixed = cell_words(tuple(report.fixed.items()))
    paragraphs = [f"{text}." for text in (*report.words, f"All runs with {fixed}" if fixed else "") if text]
    lines = [f"{name}={value}" for name, value in report.set.items()]
    rows = [(" ".join(report.variables), *_HEADS), *((_name(cell), *_row(cell)) for cell in report.cells)]
    title = f"Sweep over {' and '.join(report.variables)}"
    section = Section(paragraphs=paragraphs, lines=lines, figures=sweep_figures(report, variable), rows=rows)
    return html_page(title, [section])


def _name(cell: ReportedCell) -> str:
    return " ".join(value or "(unset)" for value in cell.figures.settings.values())


def _row(cell: ReportedCell) -> list[str]:
    one = cell.figures
    return [
        f"{one.throughput_rps:.1f} ±{(cell.throughput_high - cell.throughput_low) / 2:.1f}",
        number(one.forecast.throughput_rps if one.forecast else None, 1),
        number(one.p50_ms),
        number(one.p99_ms),
        number(one.pool_wait_mean_ms),
        f"{one.failed_share:.1%}" if one.failed_share else "0",
        one.bottleneck,
    ]
