"""Where the commands write: results to standard output, everything on the way there to standard error."""

import sys

from rich.console import Console


def results() -> Console:
    """Return the console for results."""
    return Console(highlight=False, emoji=False)


def notes() -> Console:
    """Return the console for progress and remarks."""
    return Console(stderr=True, highlight=False, emoji=False)


def print_json(text: str) -> None:
    sys.stdout.write(text.rstrip("\n") + "\n")


def number(value: float | None, digits: int = 0) -> str:
    """Return a figure, "-" where it was not measured."""
    return "-" if value is None else f"{value:.{digits}f}"
