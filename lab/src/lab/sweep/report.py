"""What a sweep found: its cells, the knee or the setting that holds the objective, and the lines for .env."""

from collections.abc import Mapping, Sequence

from lab.document_part import DocumentPart
from lab.objective import Objective, ObjectiveOutcome, outcome_words
from lab.sweep.axes import Axis, Cell, cell_words, cells_of, is_given, wanted_cells
from lab.sweep.cell_run import CellFigures, CellRun, together
from lab.sweep.curves import CurvePoint
from lab.sweep.knee import Knee, knee, throughput_interval
from lab.sweep.margin import figures_of, margin
from lab.sweep.plan import Plan
from lab.sweep.search import Z_90, Found


class ReportedCell(DocumentPart):
    """A cell, the 90 % interval of its throughput, and whether it holds the objective."""

    figures: CellFigures
    throughput_low: float
    throughput_high: float
    objective: ObjectiveOutcome | None


class SweepReport(DocumentPart):
    """`curves` has the forecasts by the other variables' values ("" if there are none). `chosen` is the best cell.

    `set` is what of it the app can set: not its load, upstream or network. `holds` is null without an objective.
    `words` are sentences, the answer first.
    """

    id: str
    finished: bool
    variables: dict[str, list[str]]
    fixed: dict[str, str]
    repeat: int
    seed: int
    objective: str | None
    cells: list[ReportedCell]
    curves: dict[str, list[CurvePoint]]
    knees: list[Knee]
    holds: bool | None
    chosen: dict[str, str]
    set: dict[str, str]
    words: list[str]


def report_of(
    plan: Plan,
    sweep_id: str,
    runs: Sequence[CellRun],
    curves: Mapping[str, Sequence[CurvePoint]],
    *,
    finished: bool,
    found: Found | None,
) -> SweepReport:
    """Return the report of the runs so far, one at least; `found` is a search's answer."""
    measured = by_cell(plan, runs)
    cells = [_reported(plan.objective, of_cell) for of_cell in measured.values()]
    knees = [] if plan.objective else _knees(plan, measured)
    if plan.objective is None:
        chosen, words = _by_knee(knees) if knees else _by_best(cells)
    elif found is not None:
        chosen, words = _by_search(plan.axes[0], found, cells)
    else:
        chosen, words = _by_objective(plan, plan.objective, measured)
    return SweepReport(
        id=sweep_id,
        finished=finished,
        variables={axis.variable: list(axis.values) for axis in plan.axes},
        fixed=dict(plan.fixed),
        repeat=plan.repeat,
        seed=plan.seed,
        objective=plan.objective.text if plan.objective else None,
        cells=cells,
        curves={name: list(points) for name, points in curves.items()},
        knees=knees,
        holds=None if plan.objective is None else bool(chosen),
        chosen=chosen,
        set={name: value for name, value in chosen.items() if not is_given(name)},
        words=[*words, *_given_words(chosen)],
    )


def by_cell(plan: Plan, runs: Sequence[CellRun]) -> dict[Cell, list[CellRun]]:
    """Return the runs of each cell that has some, in the order of the grid, or of the values that were searched."""
    found: dict[Cell, list[CellRun]] = {}
    for run in runs:
        found.setdefault(tuple(run.settings.items()), []).append(run)
    if plan.is_search:
        return dict(sorted(found.items(), key=lambda item: float(item[0][0][1])))
    return {cell: found[cell] for cell in cells_of(plan.axes) if cell in found}


def along(plan: Plan) -> Axis | None:
    """Return the variable that the figure and the knee are over: the first one of numbers."""
    return next((axis for axis in plan.axes if axis.numbers is not None and len(axis.values) > 1), None)


def others(cell: Mapping[str, str], variable: str) -> dict[str, str]:
    return {name: value for name, value in cell.items() if name != variable}


def _reported(objective: Objective | None, runs: Sequence[CellRun]) -> ReportedCell:
    figures = together(runs)
    low, high = throughput_interval([run.succeeded for run in runs])
    low, high = min(low, figures.throughput_rps), max(high, figures.throughput_rps)
    outcome = objective.outcome(figures_of(figures)) if objective else None
    return ReportedCell(figures=figures, throughput_low=low, throughput_high=high, objective=outcome)


def _knees(plan: Plan, measured: Mapping[Cell, Sequence[CellRun]]) -> list[Knee]:
    """Return a knee for each combination of the other variables that has two values or more."""
    axis = along(plan)
    if axis is None:
        return []
    groups: dict[tuple[tuple[str, str], ...], list[tuple[str, list[list[float]]]]] = {}
    for cell, runs in measured.items():
        rest = tuple(others(dict(cell), axis.variable).items())
        groups.setdefault(rest, []).append((dict(cell)[axis.variable], [run.succeeded for run in runs]))
    found = []
    for rest, points in groups.items():
        if len(points) > 1:
            points = sorted(points, key=lambda point: float(point[0]))
            values, seconds = [value for value, _ in points], [runs for _, runs in points]
            found.append(knee(axis.variable, values, seconds, dict(rest)))
    return found


def _by_knee(knees: Sequence[Knee]) -> tuple[dict[str, str], list[str]]:
    """Advise the knee of the combination with the most throughput."""
    best = max(knees, key=lambda one: one.throughput_rps)
    return {**best.settings, best.variable: best.value}, [
        _knee_words(best),
        *(_knee_words(one) for one in knees if one is not best),
    ]


def _knee_words(one: Knee) -> str:
    rest = f" with {cell_words(tuple(one.settings.items()))}" if one.settings else ""
    sure = f"90 %: {one.low} to {one.high}" if one.low != one.high else "90 %: no other"
    text = (
        f"The knee is at {one.variable}={one.value}{rest} ({sure}): {one.throughput_rps:.1f} requests a second, "
        f"{one.of_best:.0%} of the best, and the smallest value within 5 % of it"
    )
    if one.at == "first":
        return f"{text}; it is the smallest that was measured, and what limits is something else from there on"
    return f"{text}; it is the largest that was measured: try larger ones" if one.at == "last" else text


def _given_words(chosen: Mapping[str, str]) -> list[str]:
    """Say so where nothing that was swept is the app's."""
    if not chosen or not all(is_given(name) for name in chosen):
        return []
    one = len(chosen) == 1
    names, verb = " and ".join(chosen), "is no setting" if one else "are no settings"
    return [f"{names} {verb} of the app but what it has to bear: nothing to copy into .env"]


def _by_best(cells: Sequence[ReportedCell]) -> tuple[dict[str, str], list[str]]:
    best = max(cells, key=lambda cell: cell.figures.throughput_rps)
    equal = [
        cell_words(tuple(cell.figures.settings.items()))
        for cell in cells
        if cell is not best and cell.throughput_high >= best.throughput_low
    ]
    name, rate = cell_words(tuple(best.figures.settings.items())), best.figures.throughput_rps
    words = f"Most throughput with {name}: {rate:.1f} requests a second"
    return dict(best.figures.settings), [f"{words}; within its noise: {', '.join(equal)}" if equal else words]


def _by_objective(
    plan: Plan, objective: Objective, measured: Mapping[Cell, Sequence[CellRun]]
) -> tuple[dict[str, str], list[str]]:
    """Advise the cell that is wanted most of those that hold; its range is by the errors of the margins."""
    margins = {cell: margin(objective, measured[cell]) for cell in wanted_cells(plan.axes) if cell in measured}
    outcomes = {cell: objective.outcome(figures_of(together(measured[cell]))) for cell in margins}
    maybe = [cell for cell, one in margins.items() if one.log_ratio - Z_90 * one.error < 0]
    holding = [cell for cell, outcome in outcomes.items() if outcome.holds]
    surely = [cell for cell, one in margins.items() if one.log_ratio + Z_90 * one.error < 0]
    if not holding:
        nearest = min(margins, key=lambda cell: margins[cell].log_ratio)
        return {}, [f"{objective.text}: no setting that was measured holds it; {cell_words(nearest)} is nearest"]
    until = f"to {cell_words(surely[0])}" if surely else "or none"
    doubt = f"; by its noise it may be {cell_words(maybe[0])} {until}" if [maybe[0]] != surely[:1] else ""
    words = f"{cell_words(holding[0])} is the {_extreme(plan.axes)} to hold: {outcome_words(outcomes[holding[0]])}"
    return dict(holding[0]), [words + doubt]


def _extreme(axes: Sequence[Axis]) -> str:
    return "largest" if len(axes) == 1 and axes[0].wanted != axes[0].values else "first"


def _by_search(axis: Axis, found: Found, cells: Sequence[ReportedCell]) -> tuple[dict[str, str], list[str]]:
    candidates = axis.candidates
    if found.answer is None:
        tried = [outcome_words(cell.objective) for cell in cells if cell.objective]
        return {}, [f"No {axis.variable} up to {candidates[-1]} holds it; the last: {tried[-1]}"]
    value = candidates[found.answer]
    low = candidates[found.low if found.low is not None else 0]
    high = candidates[found.high if found.high is not None else -1]
    span = f"90 %: {min(low, high)} to {max(low, high)}" if low != high else "90 %: no other"
    extreme = "largest" if candidates[0] > candidates[-1] else "smallest"
    words = [f"{axis.variable}={value} is the {extreme} that holds it ({span}), by all that was measured together"]
    own = next((cell for cell in cells if cell.figures.settings[axis.variable] == str(value)), None)
    if own is not None and own.objective is not None:
        words.append(f"Measured there, {own.figures.requests} requests: {outcome_words(own.objective)}")
    return {axis.variable: str(value)}, words
