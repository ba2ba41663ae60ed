"""Lessons on a terminal: the list of them by subject, and what became of each that was run."""

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab.lessons.assertion import Checked
from lab.lessons.lesson_file import NamedLesson
from lab.lessons.outcome import LessonOutcome, short
from lab.lessons.words import figure, result_words

_BAR = 24
_STYLES = {True: "green", False: "bold red"}


def print_list(console: Console, lessons: Sequence[NamedLesson]) -> None:
    """Print all lessons by subject, and how to run them."""
    by_subject = sorted(lessons, key=lambda each: (each.lesson.subject, each.name))
    for subject, some in groupby(by_subject, key=lambda each: each.lesson.subject):
        console.print(Text(f"\n{subject}", style="bold"))
        table = Table.grid(padding=(0, 2))
        for each in some:
            needs = Text(short(each.lesson), style="bright_black")
            table.add_row(Text(f"  {each.name}", no_wrap=True), Text(each.lesson.title), needs)
        console.print(table)
    minutes = sum(each.lesson.seconds for each in lessons) / 60
    console.print(
        f"\n./sandbox check NAME...    ./sandbox check all ({len(lessons)} lessons, about {minutes:.0f} minutes)"
    )


def print_outcome(console: Console, named: NamedLesson, outcome: LessonOutcome) -> None:
    """Print whether the lesson holds, and the figures behind that."""
    style = "yellow" if outcome.result == "not run here" else _STYLES[outcome.as_it_should]
    words = f"{result_words(outcome):<14}"
    _print(console, Text.assemble((words, style), (outcome.name, "bold"), f"  {outcome.title}"))
    if outcome.because:
        _print(console, f"    {outcome.because}")
    if outcome.checks:
        for name, side in sorted(named.lesson.sides.items()):
            _print(
                console, f"    {name}: {side.name}{' (here with the settings of A)' * outcome.mutated * (name != 'A')}"
            )
    for check in outcome.checks:
        _print_check(console, check)
    if outcome.busy and not outcome.as_it_should:
        _print(console, "    other work kept this machine busy, and this lesson depends on that: run it again")


def _print_check(console: Console, check: Checked) -> None:
    """Print an assertion, what came of it, and a bar for each figure that it read."""
    first = f"   {figure(check.values[0])}" if len(check.figures) > 1 and check.values else ""
    _print(
        console,
        Text.assemble("    ", ("yes" if check.holds else "NO ", _STYLES[check.holds]), f"  {check.text}{first}"),
    )
    if check.because:
        _print(console, f"         {check.because}")
    most = max((abs(value) for value in check.figures.values() if isinstance(value, int | float)), default=0.0)
    longest = max(map(len, check.figures), default=0)
    for path, value in check.figures.items():
        share = abs(value) / most if isinstance(value, int | float) and most else 0.0
        bar = "\u2588" * round(_BAR * share)
        _print(console, Text.assemble(f"         {path:<{longest}}  {figure(value):>8}  ", (bar, "cyan")))


def _print(console: Console, text: str | Text) -> None:
    """Print a line as it is: texts of errors are to be found again by a search."""
    line = Text(text) if isinstance(text, str) else text
    line.rstrip()
    console.print(line, soft_wrap=True)
