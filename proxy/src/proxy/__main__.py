"""Serves the proxy by its environment."""

import sys
from collections.abc import Sequence

from proxy.settings import ServerSettings, Settings, in_force
from service_kit.command import run
from service_kit.settings_errors import load


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code."""
    return run(
        "proxy",
        arguments,
        description=str(__doc__),
        models=(Settings, ServerSettings),
        load=lambda: load(Settings, ServerSettings),
        config=lambda loaded: {"service": "proxy", "settings": in_force(*loaded)},
        serve=lambda loaded: _serve(*loaded),
    )


def _serve(settings: Settings, server: ServerSettings) -> int:
    from proxy.ca_file import await_ca_file  # --check must not wait for these imports
    from proxy.server import serve

    await_ca_file(settings)
    return serve(settings, server)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
