"""Locust with the sandbox's users and recorder: the web UI, or with LOCUST_HEADLESS=true one run.

Exit codes of a headless run: 0 it was recorded, 1 nothing could be recorded, 2 bad settings, 3 a port is in use,
130 interrupted by Ctrl-C (the run is kept). Locust's other LOCUST_ variables pass through untouched.
"""

import os
import sys
from collections.abc import Sequence

from loadtest.launch import become_locust, check_ports, locust_environment, read_settings, settings_in_force
from loadtest.settings import LocustSettings, Settings
from service_kit.command import run
from service_kit.exits import ExitCode


def main(arguments: Sequence[str]) -> int:
    """Check, explain, or become Locust; return the exit code where this process itself ends."""
    return run(
        "loadtest",
        arguments,
        description=str(__doc__),
        models=(Settings, LocustSettings),
        load=read_settings,
        config=lambda loaded: {"service": "loadtest", "settings": settings_in_force(*loaded)},
        serve=lambda loaded: _start(*loaded),
    )


def _start(settings: Settings, locust: LocustSettings) -> int:
    check_ports(locust)
    become_locust(locust_environment(os.environ, settings, locust))
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
