"""`python -m link`: the emulated network, from its environment."""

import asyncio
import errno
import logging
import os
import signal
import socket
import sys

from link import namespace, privileges
from link.engine import build
from link.engine_selection import UnavailableError, choose
from link.environment import mistakes, usage, variable
from link.namespace import SetUpError
from link.settings import Settings

BAD_SETTINGS, SURROUNDINGS_FAILED, INTERRUPTED = 2, 3, 130

USAGE = """usage: python -m link [--check] [--help]

The network between the proxy and its upstream: round trip, jitter and bandwidth, as these variables say.

  --check  validate the environment without serving: exit 0, or exit 2 and one line per mistake
  --help   print this

"""


def main(arguments: list[str]) -> int:
    """Run the command; return the exit code: 0 fine, 2 bad settings, 3 the surroundings failed, 130 interrupted."""
    if "--help" in arguments or "-h" in arguments:
        print(USAGE + usage())
        return 0
    if unknown := [argument for argument in arguments if argument != "--check"]:
        return _fail(f"{unknown[0]}: no such option; allowed: --check, --help", BAD_SETTINGS)
    if found := mistakes(os.environ):
        return _fail("\n".join(found), BAD_SETTINGS)
    if "--check" in arguments:
        return 0
    # Process 1 of a container has no default for SIGTERM: without this, one that comes early would be ignored.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        return _run(Settings())
    except (UnavailableError, SetUpError) as error:
        return _fail(str(error), SURROUNDINGS_FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(settings: Settings) -> int:
    host = namespace.look()
    choice = choose(settings, host)
    try:
        control = _listen(settings, "control_port")
        listener = _listen(settings, "port") if choice.engine == "relay" else None
    except PortTakenError as error:
        return _fail(str(error), SURROUNDINGS_FAILED)
    engine = build(settings, host, choice, listener)
    if namespace.is_container():
        privileges.drop()
    # Only now: these imports are slow, and until the routes stand the upstream can be reached without the link.
    from link.controller import Controller
    from link.serve import serve

    return asyncio.run(serve(Controller(settings, choice, engine), control))


class PortTakenError(Exception):
    """An address cannot be listened on; the message is the one line to print."""


def _listen(settings: Settings, field: str) -> socket.socket:
    port: int = getattr(settings, field)
    try:
        listener = socket.create_server((settings.host, port), backlog=socket.SOMAXCONN)
    except OSError as error:
        name = variable(field)
        if error.errno == errno.EADDRINUSE:
            message = f"{name}={port}: already in use on {settings.host}; set {name} to a free port"
        else:
            message = f"{variable('host')}='{settings.host}': cannot listen there on port {port}: {error.strerror}"
        raise PortTakenError(message) from error
    listener.setblocking(False)
    return listener


def _fail(lines: str, code: int) -> int:
    print(lines, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
