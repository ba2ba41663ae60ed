"""`check`: lessons, which are known phenomena as tests that run."""

import asyncio
import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from lab.backends.workspace import Workspace
from lab.cli.check_print import print_list, print_outcome
from lab.cli.check_session import CheckSession
from lab.cli.console import notes, print_json, results
from lab.cli.options import DockerOption, ProcessesOption, requested_mode, workspace_of
from lab.lessons.lesson_file import NamedLesson, read_lessons
from lab.lessons.outcome import LessonOutcome
from lab.lessons.page import lessons_page
from lab.lessons.words import totals_words
from lab.store import write_whole
from service_kit.exits import ExitCode, UsageError

_ALL = "all"
_REPORTS = (".html", ".md")


def check(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...|all]", help="Which to run. [default: list them]")
    ] = None,
    mutate: Annotated[
        bool, typer.Option("--mutate", help="Give all sides the settings of A: each lesson must fail then.")
    ] = False,
    report: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write what was found to out.html, with figures, or to out.md.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON only.")] = False,
    docker: DockerOption = False,
    processes: ProcessesOption = False,
) -> int:
    """List the lessons, or run them: does it hold on the versions that are installed?

    Each makes runs with different settings and compares their figures. .env and the shell do not matter but for where
    things are. Exit code 1 if a lesson does not hold. Ctrl-C keeps what was found until then.

    \b
    ./sandbox check
    ./sandbox check pool-saturation
    ./sandbox check all --report lessons.html
    """
    workspace = workspace_of(context)
    lessons = read_lessons(workspace.checkout.lessons)
    target = _report_path(report)
    if not names:
        if mutate or target:
            raise UsageError("--mutate, --report: name the lessons, or all")
        if as_json:
            print_json(json.dumps([{"name": one.name, "title": one.lesson.title} for one in lessons], indent=1))
        else:
            print_list(results(), lessons)
        return ExitCode.OK
    session = _session(workspace, chosen(lessons, names), mutated=mutate, quiet=as_json)
    try:
        code = asyncio.run(session.run(requested_mode(docker, processes)))
    except asyncio.CancelledError:  # Ctrl-C before the first load
        code = ExitCode.INTERRUPTED
    finally:
        if target and session.outcomes:
            write_whole(target, lessons_page(target.suffix, lessons, session.outcomes, session.documents))
    if code == ExitCode.INTERRUPTED:
        notes().print("interrupted; what was found until then is kept" if session.outcomes else "interrupted")
    if as_json:
        print_json(json.dumps([outcome.model_dump(mode="json") for outcome in session.outcomes], indent=1))
    elif session.outcomes:
        results().print(Text(totals_words(session.outcomes), style="bold"))
        if target:
            results().print(Text(str(target)), soft_wrap=True)
    return code


def chosen(lessons: Sequence[NamedLesson], names: Sequence[str]) -> list[NamedLesson]:
    """Return the lessons of these names, each once, in the order given. Raises UsageError."""
    by_name = {each.name: each for each in lessons}
    if _ALL in names:
        return list(lessons)
    mistakes = []
    for name in names:
        if name not in by_name:
            near = difflib.get_close_matches(name, by_name, n=3, cutoff=0.4)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            mistakes.append(f"{name!r}: there is no such lesson{hint} ./sandbox check lists them")
    if mistakes:
        raise UsageError(mistakes)
    return [by_name[name] for name in dict.fromkeys(names)]


def _report_path(report: str | None) -> Path | None:
    if report is None:
        return None
    path = Path(report)
    if path.suffix not in _REPORTS:
        raise UsageError(f"--report {report!r}: must end in {' or '.join(_REPORTS)}")
    return path


def _session(workspace: Workspace, lessons: Sequence[NamedLesson], *, mutated: bool, quiet: bool) -> CheckSession:
    by_name, console = {each.name: each for each in lessons}, notes() if quiet else results()

    def show(outcome: LessonOutcome) -> None:
        print_outcome(console, by_name[outcome.name], outcome)

    return CheckSession(workspace, lessons, mutated=mutated, show=show)
