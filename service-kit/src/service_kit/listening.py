"""Listening sockets, and the one line to print when a port cannot be listened on."""

import errno
import os
import socket

from service_kit.exits import UnavailableError

DEFAULT_BACKLOG = 2048


def listen(
    host: str, port: int, *, host_variable: str, port_variable: str, backlog: int = DEFAULT_BACKLOG
) -> socket.socket:
    """Return a listening, non-blocking TCP socket. Raises UnavailableError, which names the variable to change.

    `backlog` connections and one more may wait to be accepted; further ones are not even connected.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError):  # UnicodeError: a label that is empty or too long for DNS
        raise UnavailableError(f"{host_variable}={host!r}: no such host") from None
    # With the protocol: asyncio sets TCP_NODELAY only on sockets that name IPPROTO_TCP. Without it an answer of a kept
    # connection may wait 40 ms for an acknowledgement (head and body are two writes).
    listener = socket.socket(family, kind, protocol)
    try:
        # Without it, a restart would have to wait for the old connections' TIME_WAIT.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(backlog)  # at once: with SO_REUSEADDR two may bind to a port, but only one can listen
    except OSError as error:
        listener.close()
        raise UnavailableError(_reason(error, host, port, host_variable, port_variable)) from None
    listener.setblocking(False)
    return listener


def is_free(host: str, port: int) -> bool:
    """Whether a port can be listened on now; one with connections in TIME_WAIT can. Raises OSError but EADDRINUSE."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def port_taken(port_variable: str, host: str, port: int) -> str:
    """Return the line about a port that something else listens on."""
    return f"{port_variable}={port}: already in use on {host}; set {port_variable} to a free port"


def _reason(error: OSError, host: str, port: int, host_variable: str, port_variable: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return port_taken(port_variable, host, port)
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host_variable}={host!r}: not an address of this machine"
    return f"{port_variable}={port}: cannot listen on {host} ({os.strerror(error.errno or 0)})"
