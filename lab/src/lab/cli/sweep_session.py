"""The runs of a sweep, one after the other on the same services."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lab.backends.workspace import Mode, Workspace
from lab.cli.console import notes
from lab.cli.predict import reported_settings
from lab.cli.progress_bar import RunProgress
from lab.cli.run_session import RunSession
from lab.cli.sweep_folder import SweepFolder
from lab.prediction.from_settings import ReportedSettings, Unpredictable
from lab.run_name import LONGEST_LABEL, new_run_id
from lab.sweep.axes import Cell, cell_words, cells_of, rounds
from lab.sweep.cell_run import CellRun, cell_run
from lab.sweep.curves import CurvePoint, curve, forecast_at
from lab.sweep.margin import Margin, expected_log_ratio, margin
from lab.sweep.plan import Plan, SweepState
from lab.sweep.report import SweepReport, along, by_cell, others, report_of
from lab.sweep.search import Search
from service_kit.exits import ExitCode, UnavailableError

_OVERHEAD_SECONDS = 8.0
"""What a run takes besides its load, until it was measured."""
_MOST_CURVES = 4


@dataclass(frozen=True)
class Swept:
    """A sweep that has ended, or was interrupted; `report` is None where nothing was measured."""

    report: SweepReport | None
    exit_code: int


class SweepSession:
    """One sweep: new, or the rest of one that was interrupted. A search ends after `within_seconds`."""

    def __init__(self, workspace: Workspace, plan: Plan, load_seconds: float, within_seconds: float) -> None:
        self._workspace = workspace
        self._plan = plan
        self._within_seconds = within_seconds
        self._notes = notes()
        self._folder = SweepFolder(workspace.checkout.runs)
        self._curves: dict[str, list[CurvePoint]] = {}
        self._search: Search | None = None
        self._cell_seconds = load_seconds + _OVERHEAD_SECONDS
        self._began = time.monotonic()
        key = plan.key(workspace.baseline())
        self._state = self._folder.unfinished(key) or SweepState(id=new_run_id(datetime.now(UTC)), key=key)
        self._runs = list(self._state.runs)

    async def run(self, requested: Mode | None) -> Swept:
        """Make the runs that are missing. Raises ExitError; what was measured is kept then, too."""
        if self._runs:
            self._notes.print(f"going on with that interrupted command; its runs so far: {len(self._runs)}")
        code: int = ExitCode.OK
        async with RunSession.opened(self._workspace, requested) as session:
            try:
                await self._prepare(session)
                code = await (self._seek(session) if self._plan.is_search else self._cover(session))
            except asyncio.CancelledError:  # Ctrl-C between two loads
                task = asyncio.current_task()
                assert task is not None
                task.uncancel()
                code = ExitCode.INTERRUPTED
        finished = code == ExitCode.OK
        if not self._runs:
            return Swept(None, code)
        if finished:
            self._write(finished=True)
        else:
            self._notes.print("not all was measured; the same command goes on from here")
        found = self._search.found(self._margins()) if self._search else None
        report = report_of(self._plan, self._state.id, self._runs, self._curves, finished=finished, found=found)
        return Swept(report, ExitCode.FELL_SHORT if finished and report.holds is False else code)

    async def _prepare(self, session: RunSession) -> None:
        """Check every cell and ask for what the forecasts need, before the first run."""
        self._notes.print("checking the settings of all cells ...")
        cells = cells_of(self._plan.axes)
        await session.check([self._plan.assignments(cell) for cell in cells])
        axis = along(self._plan)
        if axis is None:
            return
        groups = {cell_words(tuple(others(dict(cell), axis.variable).items())): cell for cell in cells}
        for name, cell in list(groups.items())[:_MOST_CURVES]:  # each group's last cell has the largest value
            settings = await reported_settings(self._workspace, self._plan.assignments(cell))
            assert axis.numbers is not None
            self._curves[name] = curve(settings, axis.variable, axis.numbers)
            if self._plan.is_search:
                self._search = self._searched(settings)

    def _searched(self, settings: ReportedSettings) -> Search:
        axis, objective = self._plan.axes[0], self._plan.objective
        assert objective is not None
        candidates = axis.candidates

        def expected(number: int) -> float:
            found = expected_log_ratio(objective, forecast_at(settings, axis.variable, float(candidates[number])))
            if found is None:
                raise Unpredictable
            return found

        try:
            expected(0)
        except Unpredictable:
            return Search(candidates, None)
        return Search(candidates, expected)

    async def _cover(self, session: RunSession) -> int:
        """Make all runs of the grid."""
        order = rounds(cells_of(self._plan.axes), self._plan.repeat, self._plan.seed)
        self._notes.print(f"{len(order)} runs in {self._plan.repeat} shuffled rounds (--seed {self._plan.seed})")
        done = {(run.round, tuple(run.settings.items())) for run in self._runs}
        missing = [each for each in order if each not in done]
        for number, (round_number, cell) in enumerate(missing):
            left = self._cell_seconds * (len(missing) - number)
            place = f"{len(order) - len(missing) + number + 1}/{len(order)}"
            if code := await self._one(session, cell, round_number, place, f"about {_clock(left)} left"):
                return code
        return ExitCode.OK

    async def _seek(self, session: RunSession) -> int:
        """Make the runs of the search, until it is sure enough or its time is over."""
        assert self._search is not None
        axis = self._plan.axes[0]
        for number in self._wanted():
            cell: Cell = ((axis.variable, str(axis.candidates[number])),)
            left = self._within_seconds - (time.monotonic() - self._began)
            if code := await self._one(
                session, cell, len(self._runs), f"{len(self._runs) + 1}", f"{_clock(left)} left"
            ):
                return code
        return ExitCode.OK

    def _wanted(self) -> Iterator[int]:
        assert self._search is not None
        while True:
            left = self._within_seconds - (time.monotonic() - self._began)
            if self._runs and left < self._cell_seconds:
                return
            number = self._search.next(self._margins())
            if number is None:
                return
            yield number

    async def _one(self, session: RunSession, cell: Cell, round_number: int, place: str, left: str) -> int:
        """Make one run and keep what it measured; return an exit code that ends the sweep, or 0."""
        began = time.monotonic()
        assignments = {**self._plan.assignments(cell), "LAB_RUN_LABEL": f"sweep {cell_words(cell)}"[:LONGEST_LABEL]}
        progress = RunProgress(self._notes, f"{place} {cell_words(cell)}, {left}")
        outcome = await session.run(assignments, progress)
        document = outcome.document
        if document is None or outcome.exit_code == ExitCode.INTERRUPTED:
            return outcome.exit_code
        if outcome.taken_down:
            raise UnavailableError("the sandbox was taken down during the sweep; the same command goes on from here")
        run = cell_run(document, dict(cell), round_number)
        self._runs.append(run)
        self._write(finished=False)
        self._cell_seconds = time.monotonic() - began
        figures = f"{document.totals.succeeded_rps:.1f}/s  p99 {document.latency_ms.p99 or 0:.0f} ms  {run.bottleneck}"
        self._notes.print(f"{place}  {cell_words(cell)}  {figures}  ({left})", markup=False, soft_wrap=True)
        return ExitCode.OK

    def _margins(self) -> dict[int, Margin]:
        objective, candidates = self._plan.objective, self._plan.axes[0].candidates
        assert objective is not None
        return {
            candidates.index(int(cell[0][1])): margin(objective, runs)
            for cell, runs in by_cell(self._plan, self._runs).items()
        }

    def _write(self, *, finished: bool) -> None:
        runs: Sequence[CellRun] = self._runs
        self._folder.write(self._state.model_copy(update={"finished": finished, "runs": list(runs)}))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(round(seconds), 0), 60)
    return f"{minutes}:{rest:02d}"
