"""TLS on the data port: handshake statistics, and closing without waiting for the client's close_notify."""

import asyncio
import socket
import ssl
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from upstream_mock.tcp_info import byte_counts, unacknowledged

CLOSE_CHECK_SECONDS = 0.1
"""How often a closed connection is checked for unsent bytes. asyncio would wait 30 s for the client's own close_notify,
and a client that keeps the connection in a pool does not read ours before its next request."""


@dataclass(slots=True)
class TlsHandshakes:
    """TLS handshakes of the data port. `failed` is by OpenSSL's reason; `left` counts clients that left before its end.

    A probe that only connects is one of those, and so is a client on asyncio (aiohttp, httpx's AsyncClient) that
    rejects our certificate: it leaves without an alert.
    """

    done: int = 0
    resumed: int = 0
    left: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    alpn: Counter[str] = field(default_factory=Counter)

    def add(self, transport: Any) -> str | None:
        """Count a new connection's handshake; returns the version, None without TLS."""
        tls = transport.get_extra_info("ssl_object")
        if tls is None:
            return None
        version: str = tls.version()
        self.done += 1
        self.resumed += tls.session_reused
        self.versions[version] += 1
        self.alpn[tls.selected_alpn_protocol() or "none"] += 1
        return version

    def add_failed(self, error: Exception) -> None:
        if isinstance(error, ssl.SSLError) and error.reason:
            self.failed[error.reason.lower()] += 1
        else:
            self.left += 1

    def reset(self) -> None:
        self.done = self.resumed = self.left = 0
        for counts in (self.failed, self.versions, self.alpn):
            counts.clear()

    def as_json(self) -> dict[str, Any]:
        return {
            "handshakes": self.done,
            "resumed": self.resumed,
            "failed": self.failed.total(),
            "failed_by": dict(self.failed),
            "left": self.left,
            "versions": dict(self.versions),
            "alpn": dict(self.alpn),
        }


def finish_close(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, connection: socket.socket) -> None:
    """To be called after `close()` of a transport with TLS: FIN follows when all is sent."""
    loop.call_later(CLOSE_CHECK_SECONDS, _abort_when_sent, loop, transport, connection, None)


def _abort_when_sent(
    loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, connection: socket.socket, before: int | None
) -> None:
    # A slow client is waited for, at most the 30 s after which the loop itself aborts.
    try:
        unsent = transport.get_write_buffer_size() or unacknowledged(connection)
    except (AttributeError, OSError, ValueError):  # it is closed
        return
    # The loop may hold more without showing it, and write it as soon as there is room: so nothing may have moved.
    acknowledged = byte_counts(connection)[1]
    if unsent or acknowledged != before:
        loop.call_later(CLOSE_CHECK_SECONDS, _abort_when_sent, loop, transport, connection, acknowledged)
    else:
        transport.abort()
