"""Two or more runs side by side: which settings differ, and by how much the outcomes differ. Pure."""

from collections.abc import Sequence

from pydantic import Field

from lab.comparison.change import Change, Sample, change
from lab.comparison.columns import Column, columns_of
from lab.comparison.concerns import concerns, is_full, moved
from lab.comparison.figures import FIGURES, Figure
from lab.comparison.sentence import noise_words, sentence
from lab.comparison.settings_differences import Difference, changed_and_derived, differing_versions
from lab.conclusion import Bottleneck
from lab.document_part import DocumentPart
from lab.run_document import RunDocument


class Outcome(DocumentPart):
    """One figure of all columns, the mean of a column's runs. `ratios` are to the first; None where there is none.

    `changes` are from the first column; None for itself, and where the noise of the figure is not known.
    """

    name: str
    unit: str
    values: list[float | None]
    ratios: list[float | None]
    changes: list[Change | None] = Field(default_factory=list)


class Comparison(DocumentPart):
    """Runs side by side, those of equal settings in one column, compared with the first column.

    `runs` names the columns, `ids` has the runs of each, `limits` what limited them.
    `concerns`: why figures may differ for another reason than a setting. `versions`: of libraries that all runs have.
    `derived`: settings that differ because they follow from others; they were set in none of the runs.
    `moved`: the users' time at the places where it became more or less, in ms of the mean request.
    `noise`: where the noise of the figures is from.
    """

    runs: list[str]
    ids: list[list[str]]
    limits: list[Bottleneck]
    concerns: list[str]
    versions: list[Difference]
    settings: list[Difference]
    derived: list[Difference]
    moved: list[Difference]
    outcomes: list[Outcome]
    noise: str
    sentence: str


def compare(documents: Sequence[RunDocument]) -> Comparison:
    """Compare runs with the first of them. Needs at least two."""
    if len(documents) < 2:
        raise ValueError("a comparison needs at least two runs")
    columns = columns_of(documents)
    firsts = [column.runs[0] for column in columns]
    settings, derived = changed_and_derived(firsts)
    versions = differing_versions(firsts)
    outcomes = _outcomes(columns)
    changes = [each for outcome in outcomes for each in outcome.changes[1:]]
    return Comparison(
        runs=[column.name for column in columns],
        ids=[column.ids for column in columns],
        limits=[column.bottleneck for column in columns],
        concerns=concerns(columns, versions),
        versions=versions,
        settings=settings,
        derived=derived,
        moved=[Difference(name=name, values=list(values)) for name, values in moved(columns)],
        outcomes=outcomes,
        noise=noise_words(columns, changes),
        sentence=sentence(columns, settings, changes),
    )


def _outcomes(columns: Sequence[Column]) -> list[Outcome]:
    values = {figure.name: [figure.mean(column.runs) for column in columns] for figure in FIGURES}
    shown = [figure for figure in FIGURES if not figure.rare or any(values[figure.name])]
    tested = [figure for figure in shown if figure.noise and any(values[figure.name])]
    comparisons = len(tested) * (len(columns) - 1)
    return [
        Outcome(
            name=figure.name,
            unit=figure.unit,
            values=values[figure.name],
            ratios=_ratios(values[figure.name]),
            changes=_changes(columns, figure, comparisons) if figure in tested else [],
        )
        for figure in shown
    ]


def _ratios(values: Sequence[float | None]) -> list[float | None]:
    first = values[0]
    return [value / first if value is not None and first else None for value in values]


def _changes(columns: Sequence[Column], figure: Figure, comparisons: int) -> list[Change | None]:
    first, *others = [_samples(column, figure) for column in columns]
    return [None, *(change(first, other, comparisons) if first and other else None for other in others)]


def _samples(column: Column, figure: Figure) -> list[Sample]:
    """Return the figure of each of a column's runs with its noise; none if that of one of them is not known."""
    if figure.noise is None:
        return []
    samples = [figure.noise.sample(run, figure.of(run), full=is_full(run)) for run in column.runs]
    known = [sample for sample in samples if sample is not None]
    return known if len(known) == len(samples) else []
