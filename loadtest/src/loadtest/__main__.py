"""Locust with the sandbox's users and recorder: the web UI, or with LOCUST_HEADLESS=true one run.

usage: python -m loadtest [--check | --help]

  --check  validate the environment and exit: 0, or 2 and a line for each mistake
  --help   this text and the variables

Exit codes of a headless run: 0 it was recorded, 1 nothing could be recorded, 2 bad settings, 3 a port is in use,
130 interrupted by Ctrl-C (the run is kept).
"""

import os
import sys
import textwrap
from collections.abc import Sequence

from loadtest.launch import become_locust, locust_environment, taken_port, unwritable
from loadtest.mistakes import mistakes, variable
from loadtest.settings import LocustSettings, Settings


def help_text() -> str:
    """Return the usage and the table of variables with default and description."""
    lines = [str(__doc__)]
    for model in (Settings, LocustSettings):
        for name, field in model.model_fields.items():
            default = "" if field.default is None else field.default
            default = str(default).lower() if isinstance(default, bool) else default
            lines.append(f"{variable(model, name)}={default}")
            lines += textwrap.wrap(str(field.description), 100, initial_indent="    ", subsequent_indent="    ")
    lines.append("Other LOCUST_ variables are Locust's own and pass through untouched.")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Check, explain, or become Locust; return the exit code where this process itself ends."""
    if "--help" in arguments or "-h" in arguments:
        print(help_text())
        return 0
    if unknown := [argument for argument in arguments if argument != "--check"]:
        print(f"{unknown[0]}: no such option; python -m loadtest --help lists what there is", file=sys.stderr)
        return 2
    lines = mistakes(os.environ)
    if not lines:
        lines = [line for line in [unwritable(Settings().runs_dir)] if line and not LocustSettings().mode_worker]
    for line in lines:
        print(line, file=sys.stderr)
    if lines:
        return 2
    return 0 if "--check" in arguments else start()


def start() -> int:
    """Become Locust, or say in one line which port is in use."""
    settings, locust = Settings(), LocustSettings()
    if (line := taken_port(locust)) is not None:
        print(line, file=sys.stderr)
        return 3
    become_locust(locust_environment(os.environ, settings, locust))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
