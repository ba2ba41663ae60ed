"""The two listening sockets, taken before anything else starts."""

import errno
import os
import socket

from upstream_mock.settings import variable
from upstream_mock.surroundings import SurroundingsError

BACKLOG = 2048


class CannotListenError(SurroundingsError):
    """A port or host cannot be had; the message is one line and names the variable."""


def listen(host: str, port: int, field: str, backlog: int = BACKLOG) -> socket.socket:
    """A listening socket; `field` names the port's setting for the message of CannotListenError.

    `backlog` connections and one more may wait to be accepted; further ones are not even connected.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError):  # UnicodeError: a label that is empty or too long for DNS
        raise CannotListenError(f"{variable('host')}={host!r}: no such host") from None
    # The protocol too: asyncio sets TCP_NODELAY only on sockets that say IPPROTO_TCP, and without it every answer of a
    # kept connection waits 40 ms for an acknowledgement (head and body are two writes).
    listener = socket.socket(family, kind, protocol)
    try:
        # Without it, a restart would have to wait for the old connections' TIME_WAIT.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # At once: two sockets may be bound to one port, but only one of them can listen.
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        raise CannotListenError(_why(error, host, port, field)) from None
    listener.setblocking(False)
    return listener


def _why(error: OSError, host: str, port: int, field: str) -> str:
    name = variable(field)
    if error.errno == errno.EADDRINUSE:
        return f"{name}={port}: already in use on {host}; set {name} to a free port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{variable('host')}={host!r}: not an address of this machine"
    return f"{name}={port}: cannot listen on {host} ({os.strerror(error.errno or 0)})"
