"""`python -m link`: the emulated network, from its environment."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Sequence

from link import namespace, privileges
from link.engine import build
from link.engine_selection import choose
from link.settings import Settings, as_config
from service_kit.command import run
from service_kit.listening import listen
from service_kit.settings_errors import load
from service_kit.variables import variable_name

DESCRIPTION = "The network between the proxy and its upstream: round trip, jitter, loss, bandwidth and outages."


def main(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    return run(
        "link",
        arguments,
        description=DESCRIPTION,
        models=(Settings,),
        load=lambda: load(Settings)[0],
        config=as_config,
        serve=_serve,
    )


def _serve(settings: Settings) -> int:
    # Process 1 of a container has no default for SIGTERM: without this, one that comes early would be ignored.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    host = namespace.look()
    choice = choose(settings, host)
    control = _listen(settings, "control_port")
    listener = _listen(settings, "port") if choice.engine == "relay" else None
    engine = build(settings, host, choice, listener)
    if namespace.is_container():
        privileges.drop()
    # Only now: these imports are slow, and until the routes are set the upstream can be reached without the link.
    from link.controller import Controller
    from link.serve import serve

    return asyncio.run(serve(Controller(settings, choice, engine), control))


def _listen(settings: Settings, field: str) -> socket.socket:
    host, port = (variable_name(Settings, name) for name in ("host", field))
    return listen(settings.host, getattr(settings, field), host_variable=host, port_variable=port)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
