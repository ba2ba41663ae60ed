"""Exit codes, and the exceptions that end a program with one of them and a message instead of a traceback."""

from collections.abc import Sequence
from enum import IntEnum


class ExitCode(IntEnum):
    """What the exit codes of every program here mean."""

    OK = 0
    FELL_SHORT = 1
    """It worked, and what was measured is not what was asked for."""
    USAGE = 2
    """Bad arguments or bad settings; nothing was started or changed."""
    UNAVAILABLE = 3
    """Something the program needs is missing: a port, an engine, a file, another service."""
    INTERRUPTED = 130
    """Ctrl-C: 128 + SIGINT, as a shell reports it."""


class ExitError(Exception):
    """Ends the program with `exit_code`; the message is one or more lines for the user."""

    exit_code = ExitCode.UNAVAILABLE


class UsageError(ExitError):
    """Bad arguments or settings. `lines` holds one mistake each."""

    exit_code = ExitCode.USAGE

    def __init__(self, lines: Sequence[str] | str) -> None:
        self.lines = [lines] if isinstance(lines, str) else list(lines)
        super().__init__("\n".join(self.lines))


class UnavailableError(ExitError):
    """Something the program needs is missing or taken."""
