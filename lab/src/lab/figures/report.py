"""The report of runs, what differs between several of them first. Pure."""

from collections.abc import Sequence

from lab.comparison.compare import Comparison, compare
from lab.comparison.table import row_groups
from lab.figures.distribution import distribution
from lab.figures.html_page import Cell, Section
from lab.figures.run_page import run_sections
from lab.figures.side_by_side import differences, overlaid, run_colours, time_of_each
from lab.run_document import RunDocument

_DIFFERENCES = (
    "Each figure as a multiple of the first run's, with its interval. In grey: no more than its noise, or not known."
)
_TIME_OF_EACH = "What the mean request of each run spent its time with."


def report_sections(runs: Sequence[RunDocument]) -> list[Section]:
    """Return the comparison, where there are several runs, and the sections of each run."""
    several = comparison_sections(runs) if len(runs) > 1 else []
    return [*several, *(section for run in runs for section in run_sections(run))]


def comparison_sections(runs: Sequence[RunDocument]) -> list[Section]:
    """Return the table of settings and figures, where the time of each goes, and their seconds and times overlaid."""
    found = compare(runs)
    beware = [f"Beware: {one}." for one in found.concerns]
    sentence = found.sentence.replace("->", "\u2192")
    sections = [Section("Side by side", warnings=beware, paragraphs=[sentence], rows=_rows(found))]
    if len(found.runs) > 1:
        sections.append(Section("What differs", paragraphs=[_DIFFERENCES, found.noise], figures=[differences(found)]))
    if any(run.attribution is not None for run in runs):
        sections.append(
            Section("Where the time of each goes", paragraphs=[_TIME_OF_EACH], figures=[time_of_each(runs)])
        )
    return [
        *sections,
        Section(
            "Their seconds and their response times", figures=[overlaid(runs), distribution(runs, run_colours(runs))]
        ),
    ]


def _rows(found: Comparison) -> list[Sequence[str | Cell]]:
    rows: list[Sequence[str | Cell]] = [("", *found.runs)]
    for group in row_groups(found):
        rows.append((Cell(group.title, "group"), *[""] * len(found.runs)))
        rows += [
            (row.name, *(Cell(cell.text, "quiet" if cell.quiet else "") for cell in row.cells)) for row in group.rows
        ]
    return rows
