"""The command line of a service: `python -m service [--check | --help]`, and the exit code it ends with.

def main(arguments: Sequence[str]) -> int:
    return run("proxy", arguments, description=__doc__, models=(Settings,), load=lambda: load(Settings), serve=_serve)
"""

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from pydantic_settings import BaseSettings

from service_kit.exits import ExitCode, ExitError
from service_kit.variables import help_table

Loaded = TypeVar("Loaded")


def run(
    package: str,
    arguments: Sequence[str],
    *,
    description: str,
    models: Sequence[type[BaseSettings]],
    load: Callable[[], Loaded],
    serve: Callable[[Loaded], int],
) -> int:
    """Print the help, check the environment, or serve by it; return the exit code.

    `load` reads the environment, once; it and `serve` raise ExitError for what is to be one line on stderr. A Ctrl-C
    that nothing else has handled is 130.
    """
    if unknown := [argument for argument in arguments if argument not in ("--check", "--help", "-h")]:
        return fail(f"python -m {package}: unknown argument {unknown[0]!r}; allowed: --check, --help", ExitCode.USAGE)
    if "--help" in arguments or "-h" in arguments:
        print(help_text(package, description, models))
        return ExitCode.OK
    try:
        settings = load()
        return ExitCode.OK if "--check" in arguments else serve(settings)
    except ExitError as error:
        return fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def help_text(package: str, description: str, models: Sequence[type[BaseSettings]]) -> str:
    """Return usage, description and the table of variables."""
    options = (
        "  --check  validate the environment and exit: 0, or 2 and one line for each mistake\n  --help   print this"
    )
    usage = f"usage: python -m {package} [--check | --help]"
    return "\n\n".join((usage, description.strip(), options, help_table(models)))


def fail(message: str, code: ExitCode) -> ExitCode:
    """Print a message on stderr and return the code."""
    print(message, file=sys.stderr)
    return code
