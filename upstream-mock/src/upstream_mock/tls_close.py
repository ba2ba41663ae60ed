"""Closing a connection as servers do: say so, then FIN, without waiting for the client to agree."""

import asyncio
import socket

from upstream_mock.connection_log import ConnectionRecord
from upstream_mock.tcp_info import traffic, unacknowledged

TLS_SECONDS = 0.1
"""How often it is looked whether all is out. asyncio would wait 30 s for the client's own close_notify; one that keeps
the connection in a pool does not even look at ours before its next request."""


def close_without_waiting(
    loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, connection: socket.socket, entry: ConnectionRecord
) -> None:
    """To be called when `close()` was. Without TLS there is nothing to be done."""
    if entry.tls is not None:
        loop.call_later(TLS_SECONDS, _hang_up, loop, transport, connection, None)


def _hang_up(
    loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, connection: socket.socket, before: int | None
) -> None:
    """Once the client has everything; a slow one is waited for, at most the 30 s."""
    try:
        unsent = transport.get_write_buffer_size() or unacknowledged(connection)
    except (AttributeError, OSError, ValueError):  # it is closed
        return
    # The loop may have more, which it does not tell, and writes as soon as there is room: so nothing may have moved.
    acknowledged = traffic(connection)[1]
    if unsent or acknowledged != before:
        loop.call_later(TLS_SECONDS, _hang_up, loop, transport, connection, acknowledged)
    else:
        transport.abort()
