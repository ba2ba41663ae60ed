"""What can go wrong before and around a run, with the exit code that says so."""

USAGE = 2
SURROUNDINGS = 3
INTERRUPTED = 130


class SandboxError(Exception):
    """Ends the command. The message is one or more lines to print as they are, without a trace."""

    exit_code = SURROUNDINGS


class UsageMistake(SandboxError):
    """Bad usage or bad settings: nothing was started or changed."""

    exit_code = USAGE


class SurroundingsFailed(SandboxError):
    """A port is taken, an engine is missing, a service died."""
