"""`test`: the sandbox's own tests."""

import signal
import subprocess
import sys
from typing import Annotated

import typer

from lab.backends.errors import INTERRUPTED, SURROUNDINGS, USAGE
from lab.backends.workspace import workspace_of

_CODES = {0: 0, 1: 1, 2: INTERRUPTED, 3: SURROUNDINGS, 4: USAGE, 5: 1}
"""pytest's exit codes in ours: no tests collected is a test that fell short."""


_ALL = ("-n", "2", "--no-loadscope-reorder")
"""All of them: the end-to-end tests one after the other in one process, beside them the others in a second."""


def register(app: typer.Typer) -> None:
    """Add the command; whatever looks like an option is pytest's."""
    app.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})(test)


def test(
    context: typer.Context,
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[pytest arguments ...]")] = None,  # noqa: PT028
) -> int:
    """Run the tests; arguments are pytest's."""
    command = [sys.executable, "-P", "-m", "pytest", *(arguments or _ALL)]
    # Ctrl-C is pytest's: it has the same terminal, and ends with a summary.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        code = subprocess.call(command, cwd=workspace_of(context).clone.root, preexec_fn=_listen_to_interrupts)
    finally:
        signal.signal(signal.SIGINT, before)
    return _CODES.get(code, SURROUNDINGS)


def _listen_to_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
