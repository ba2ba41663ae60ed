"""The `sandbox` command: what there is, and how it ends."""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

import typer
from typer.exceptions import TyperException

from lab.backends.workspace import Workspace
from service_kit.exits import ExitCode, ExitError

_HELP = """See what the connection pool of a FastAPI app really does under load.

The loop:

\b
  ./sandbox up                  start everything; open the Locust UI, START
  ./sandbox run --label ten     or a run from here: figures, what limited it
  ./sandbox run --label twenty PROXY_MAX_CONNECTIONS=20
  ./sandbox compare ten twenty  what differed, and what became of it
  ./sandbox advise --try        what to change, and whether it helps
  ./sandbox check               lessons: known phenomena as tests that run

Settings: defaults < .env < the shell < VAR=value. A run restarts only what differs; the next one starts from the
baseline again. Exit codes: 0 fine, 1 what was measured fell short: no request succeeded, or a test failed,
2 bad usage or settings, 3 something that is needed failed (port taken, no engine, a service died), 130 Ctrl-C.
"""

_COMMANDS = ("up", "down", "run", "sweep", "check", "predict", "runs", "compare", "report", "advise", "test", "doctor")
"""Each is the function of that name in the module of that name."""

_TEST_OPTIONS = {"ignore_unknown_options": True, "help_option_names": []}
"""Whatever looks like an option of `test` is pytest's."""


def main(arguments: list[str], workspace: Workspace | None = None) -> int:
    """Run one command and return its exit code. Only a bug of ours ends in a trace."""
    app = _app(arguments)
    try:
        code = app(arguments or ["--help"], prog_name="sandbox", standalone_mode=False, obj=workspace or Workspace())
        # Now, not when the interpreter ends: there it could only be a trace.
        sys.stdout.flush()
    except ExitError as error:
        _print_errors(str(error))
        return error.exit_code
    except TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else " ".join(["sandbox", *_called(arguments)])
        _print_errors(f"{command}: {error.format_message()}", f"try ./{command} --help")
        return ExitCode.USAGE
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # The reader has closed the pipe (`sandbox runs | head`). Rich and typer make an exit of it, with 1, and of
        # nothing else here.
        _discard_output()
        return 0
    except OSError as error:
        _discard_output()
        _print_errors(f"sandbox: {error}")
        return ExitCode.UNAVAILABLE
    return code if isinstance(code, int) else 0


def _app(arguments: list[str]) -> Callable[..., Any]:
    """Return the command line. Only the module of the command that is called is imported: `up` should start at once."""
    app = typer.Typer(
        help=_HELP,
        add_completion=False,
        rich_markup_mode=None,
        no_args_is_help=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name in _called(arguments) or _COMMANDS:
        command = getattr(importlib.import_module(f"lab.cli.{name}"), name)
        app.command(context_settings=_TEST_OPTIONS if name == "test" else None)(command)
    app.callback()(_no_options)
    return app


def _called(arguments: list[str]) -> list[str]:
    return [name for name in _COMMANDS if name in arguments[:1]]


def _discard_output() -> None:
    """Send the rest of standard output to /dev/null, because the interpreter flushes it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _no_options() -> None:
    """Make typer build a group even where only one command is registered."""


def _print_errors(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr)
