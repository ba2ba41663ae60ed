"""The command line of a service: `python -m service [--check | --config | --help]`, and the exit code it ends with.

def main(arguments: Sequence[str]) -> int:
    return run("proxy", arguments, description=__doc__, models=(Settings,), load=..., config=..., serve=_serve)
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic_settings import BaseSettings

from service_kit.exits import ExitCode, ExitError
from service_kit.variables import help_table

Loaded = TypeVar("Loaded")

_ARGUMENTS = ("--check", "--config", "--help")


def run(
    package: str,
    arguments: Sequence[str],
    *,
    description: str,
    models: Sequence[type[BaseSettings]],
    load: Callable[[], Loaded],
    config: Callable[[Loaded], Mapping[str, Any]],
    serve: Callable[[Loaded], int],
) -> int:
    """Print the help, check the environment, print what it comes to, or serve by it; return the exit code.

    `load` reads the environment, once; it and `serve` raise ExitError for what is to be one line on stderr. `config`
    returns what `/-/config` would hold, as far as that is known before it serves. A Ctrl-C that nothing else has
    handled is 130.
    """
    if unknown := [argument for argument in arguments if argument not in (*_ARGUMENTS, "-h")]:
        known = ", ".join(_ARGUMENTS)
        return fail(f"python -m {package}: unknown argument {unknown[0]!r}; allowed: {known}", ExitCode.USAGE)
    if "--help" in arguments or "-h" in arguments:
        print(help_text(package, description, models))
        return ExitCode.OK
    try:
        settings = load()
        if "--config" in arguments:
            print(json.dumps(config(settings)))
        return ExitCode.OK if {"--check", "--config"} & {*arguments} else serve(settings)
    except ExitError as error:
        return fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def help_text(package: str, description: str, models: Sequence[type[BaseSettings]]) -> str:
    """Return usage, description and the table of variables."""
    options = (
        "  --check   validate the environment and exit: 0, or 2 and one line for each mistake\n"
        "  --config  validate the environment, print the settings in force as JSON and exit\n"
        "  --help    print this"
    )
    usage = f"usage: python -m {package} [{' | '.join(_ARGUMENTS)}]"
    return "\n\n".join((usage, description.strip(), options, help_table(models)))


def fail(message: str, code: ExitCode) -> ExitCode:
    """Print a message on stderr and return the code."""
    print(message, file=sys.stderr)
    return code
