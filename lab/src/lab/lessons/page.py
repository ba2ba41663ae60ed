"""What became of lessons, as a page: HTML with figures, or Markdown for docs/lessons.md. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from lab.figures.html_page import Cell, Section, html_page
from lab.figures.side_by_side import time_of_each
from lab.lessons.lesson import Lesson, SideName
from lab.lessons.lesson_file import NamedLesson
from lab.lessons.outcome import LessonOutcome
from lab.lessons.words import figure, result_words, totals_words
from lab.run_document import RunDocument

Runs = Mapping[str, Mapping[SideName, RunDocument]]
"""The runs of each lesson, by its name and side."""


def lessons_page(suffix: str, lessons: Sequence[NamedLesson], outcomes: Sequence[LessonOutcome], runs: Runs) -> str:
    """Return the page in the format of that suffix: .html or .md."""
    by_name = {each.name: each.lesson for each in lessons}
    found = [(by_name[outcome.name], outcome) for outcome in outcomes]
    return _html(found, runs) if suffix == ".html" else "\n".join(_markdown(found)) + "\n"


def _html(found: Sequence[tuple[Lesson, LessonOutcome]], runs: Runs) -> str:
    head = Section("", paragraphs=[totals_words([outcome for _, outcome in found])])
    return html_page(
        "Pool Sandbox: lessons", [head, *(_section(one, out, runs.get(out.name, {})) for one, out in found)]
    )


def _section(lesson: Lesson, outcome: LessonOutcome, runs: Mapping[SideName, RunDocument]) -> Section:
    measured = [runs[side].model_copy(update={"label": side}) for side in sorted(runs) if runs[side].attribution]
    rows: list[Sequence[str | Cell]] = [("asserted", "", "measured")]
    for check in outcome.checks:
        holds = Cell("yes", "good") if check.holds else Cell("no", "bad")
        rows.append((check.text, holds, ", ".join(f"{path} {figure(value)}" for path, value in check.figures.items())))
    because = [outcome.because] if outcome.because else []
    sources = f"Sources: {'; '.join(lesson.sources)}"
    return Section(
        f"{lesson.title}: {result_words(outcome)}",
        paragraphs=[lesson.question, lesson.answer, *_sides(lesson), *because, sources],
        lines=[f"./sandbox check {outcome.name}"],
        figures=[time_of_each(measured)] if measured else [],
        rows=rows if outcome.checks else [],
    )


def _sides(lesson: Lesson) -> Iterator[str]:
    """Yield what each side is and sets, and what all of them set."""
    for side, each in sorted(lesson.sides.items()):
        yield f"{side}: {each.name} ({_words(each.settings) or 'the defaults'})"
    load = f"{lesson.load.users} users, {lesson.load.seconds} s"
    yield f"All sides: {load}{', ' * bool(lesson.settings)}{_words(lesson.settings)}"


def _markdown(found: Sequence[tuple[Lesson, LessonOutcome]]) -> Iterator[str]:
    yield "# Lessons"
    yield ""
    yield "Made by `./sandbox check all --report docs/lessons.md`: do not edit it, edit `lessons/*.yaml`."
    yield "The figures are those of the machine on which it ran; what is asserted are ratios and invariants."
    versions = {name: each for _, outcome in found for name, each in outcome.versions.items()}
    yield f"Versions: {', '.join(f'{name} {version}' for name, version in sorted(versions.items()))}."
    yield ""
    yield f"{totals_words([outcome for _, outcome in found])}."
    for subject in sorted({lesson.subject for lesson, _ in found}):
        yield ""
        yield f"## {subject[0].upper()}{subject[1:]}"
        for lesson, outcome in found:
            if lesson.subject == subject:
                yield from _entry(lesson, outcome)


def _entry(lesson: Lesson, outcome: LessonOutcome) -> Iterator[str]:
    yield ""
    yield f"### {lesson.title}"
    yield ""
    yield f"**{lesson.question.strip()}** {lesson.answer.strip()}"
    if lesson.sentence:
        yield ""
        yield f"> {lesson.sentence.strip()}"
    yield ""
    for line in _sides(lesson):
        yield f"* {line}"
    yield ""
    yield f"| {result_words(outcome)} | figures |"
    yield "|---|---|"
    if outcome.because:
        yield f"| | {outcome.because} |"
    for check in outcome.checks:
        figures = ", ".join(f"{path} = {figure(value)}" for path, value in check.figures.items())
        yield f"| `{check.text}`{'' if check.holds else ': **no**'} | {figures} |"
    yield ""
    yield f"`./sandbox check {outcome.name}` · {' · '.join(_link(source) for source in lesson.sources)}"


def _words(settings: Mapping[str, str]) -> str:
    return " ".join(f"'{name}={value}'" if " " in value else f"{name}={value}" for name, value in settings.items())


def _link(source: str) -> str:
    """Return a thread as owner/name#number, with its address."""
    name = source.removeprefix("https://github.com/").replace("/issues/", "#").replace("/pull/", "#")
    return f"[{name.removeprefix('https://')}]({source})" if source.startswith("https://") else source
