"""What became of a lesson: whether it holds on the installed versions, and the figures behind that. Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from lab.document_part import DocumentPart
from lab.lessons.assertion import Checked
from lab.lessons.lesson import Lesson, SideName
from lab.lessons.lesson_file import NamedLesson
from lab.run_document import RunDocument
from lab.verdict.facts import Facts

Result = Literal["holds", "does not hold", "not run here"]


class LessonOutcome(DocumentPart):
    """A lesson that was run, or the reason why not. `mutated`: each side had the settings of A.

    `runs` has the id of each side's run. `busy`: other work took the machine, and the lesson is sensitive to that.
    """

    name: str
    title: str
    result: Result
    mutated: bool = False
    checks: list[Checked] = Field(default_factory=list)
    because: str = ""
    runs: dict[SideName, str] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    seconds: float = 0.0
    busy: bool = False

    @property
    def as_it_should(self) -> bool:
        """Whether it holds, and with its cause left in place does not."""
        return self.result != ("holds" if self.mutated else "does not hold")


def outcome_of(
    named: NamedLesson, runs: Mapping[SideName, RunDocument], seconds: float, *, mutated: bool
) -> LessonOutcome:
    """Put the assertions to the runs of all sides."""
    lesson = named.lesson
    checks = [each.check({str(side): run for side, run in runs.items()}) for each in lesson.asserts]
    return LessonOutcome(
        name=named.name,
        title=lesson.title,
        result="holds" if all(check.holds for check in checks) else "does not hold",
        mutated=mutated,
        checks=checks,
        runs={side: run.id for side, run in runs.items()},
        versions=versions_of(list(runs.values())),
        seconds=round(seconds, 1),
        busy=lesson.cpu_sensitive and any(Facts(run).others_fill_the_machine for run in runs.values()),
    )


def not_run(named: NamedLesson, because: str) -> LessonOutcome:
    return LessonOutcome(name=named.name, title=named.lesson.title, result="not run here", because=because)


def versions_of(runs: Sequence[RunDocument]) -> dict[str, str]:
    """Return the versions of what the proxy of these runs is made of."""
    return {name: version for run in runs for name, version in (run.versions.get("proxy") or {}).items()}


def short(lesson: Lesson) -> str:
    """Return how long it takes, and whether it needs a quiet machine."""
    return f"{lesson.seconds:.0f} s{', needs a quiet machine' if lesson.cpu_sensitive else ''}"
