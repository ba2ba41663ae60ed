"""The runs of lessons, one after the other on the same services."""

import asyncio
import time
from collections.abc import Callable, Sequence

from lab.backends.workspace import MODE_WORDS, Mode, Workspace
from lab.cli.console import notes
from lab.cli.progress_bar import RunProgress
from lab.cli.run_session import RunSession
from lab.lessons.lesson import OVERHEAD_SECONDS, SideName
from lab.lessons.lesson_file import NamedLesson
from lab.lessons.outcome import LessonOutcome, not_run, outcome_of
from lab.run_document import RunDocument
from lab.run_name import LONGEST_LABEL
from lab.run_settings import is_wiring
from service_kit.exits import ExitCode, UnavailableError, UsageError

_OWN_FILES = ("LAB_RUNS_DIR", "PROXY_STATE_DIR", "UPSTREAM_TLS_DIRECTORY")


class CheckSession:
    """One `check`. What was finished before a Ctrl-C is in `outcomes` and `documents`."""

    def __init__(
        self,
        workspace: Workspace,
        lessons: Sequence[NamedLesson],
        *,
        mutated: bool,
        show: Callable[[LessonOutcome], None],
    ) -> None:
        self._workspace = workspace
        self._lessons = lessons
        self._mutated = mutated
        self._show = show
        self._notes = notes()
        self._overhead_seconds = OVERHEAD_SECONDS
        self.outcomes: list[LessonOutcome] = []
        self.documents: dict[str, dict[SideName, RunDocument]] = {}

    async def run(self, requested: Mode | None) -> int:
        """Run the lessons; return an exit code. Raises ExitError."""
        async with RunSession.opened(self._workspace, requested) as session:
            try:
                return await self._all(session)
            except asyncio.CancelledError:  # Ctrl-C between two loads
                task = asyncio.current_task()
                assert task is not None
                task.uncancel()
                return ExitCode.INTERRUPTED

    async def _all(self, session: RunSession) -> int:
        for number, named in enumerate(self._lessons, start=1):
            if reason := named.lesson.not_in.get(session.mode):
                self._keep(not_run(named, f"{MODE_WORDS[session.mode]}: {reason}"))
                continue
            place = f"{number}/{len(self._lessons)} {named.name}"
            if code := await self._one(session, named, place, self._lessons[number - 1 :]):
                return code
        return ExitCode.OK if all(each.as_it_should for each in self.outcomes) else ExitCode.FELL_SHORT

    async def _check_settings(self, session: RunSession, named: NamedLesson) -> None:
        try:
            await session.check([self._assignments(named, side) for side in named.lesson.sides])
        except UsageError as error:
            raise UsageError([f"{named.name}.yaml: {line}" for line in error.lines]) from None

    async def _one(self, session: RunSession, named: NamedLesson, place: str, left: Sequence[NamedLesson]) -> int:
        """Run all sides of a lesson and keep its outcome; return an exit code that ends the check, or 0."""
        began, runs = time.monotonic(), dict[SideName, RunDocument]()
        await self._check_settings(session, named)
        for side in sorted(named.lesson.sides):
            seconds_left = sum(self._seconds(each) for each in left) - (time.monotonic() - began)
            title = f"{place} {side}, about {clock(seconds_left)} left"
            if not self._notes.is_terminal:
                self._notes.print(f"{title}: {named.lesson.sides[side].name}", markup=False, soft_wrap=True)
            progress = RunProgress(self._notes, title)
            run_began = time.monotonic()
            outcome = await session.run(self._assignments(named, side), progress)
            if outcome.exit_code == ExitCode.INTERRUPTED:
                return outcome.exit_code
            if outcome.document is None:
                raise UnavailableError(f"{named.name}: side {side} measured nothing")
            if outcome.taken_down:
                raise UnavailableError("the sandbox was taken down during the check")
            runs[side] = outcome.document
            self._overhead_seconds = time.monotonic() - run_began - named.lesson.load.seconds
        self.documents[named.name] = runs
        self._keep(outcome_of(named, runs, time.monotonic() - began, mutated=self._mutated))
        return ExitCode.OK

    def _assignments(self, named: NamedLesson, side: SideName) -> dict[str, str]:
        """Return all variables of a side: what .env and the shell set besides where things are is unset."""
        unset = {
            name: ""
            for name in self._workspace.baseline()
            if not (is_wiring(name) or name in _OWN_FILES or name.startswith("COMPOSE_"))
        }
        label = f"{named.name} {side}{' without its cure' if self._mutated and side != 'A' else ''}"
        own = named.lesson.assignments(side, mutated=self._mutated)
        return {**unset, **own, "LAB_RUN_LABEL": label[:LONGEST_LABEL]}

    def _seconds(self, named: NamedLesson) -> float:
        return len(named.lesson.sides) * (named.lesson.load.seconds + self._overhead_seconds)

    def _keep(self, outcome: LessonOutcome) -> None:
        self.outcomes.append(outcome)
        self._show(outcome)


def clock(seconds: float) -> str:
    minutes, rest = divmod(max(round(seconds), 0), 60)
    return f"{minutes}:{rest:02d}"
