"""Accepting connections at a limited rate, with failed TLS handshakes reported.

An event loop's own server accepts all waiting connections at once, and does not report a handshake that failed. Here
the next connection is accepted only when the rate allows it; until then it waits in the kernel's backlog, as before a
server that is too busy to accept.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

CATCH_UP_SECONDS = 0.01
"""An accept that was late because the loop was busy is made up for, up to so much."""

RETRY_SECONDS = 1.0
"""After running out of file descriptors or memory; asyncio's own server waits as long."""


PROTOCOL_VERSION_ALERT = bytes([21, 3, 1, 0, 2, 2, 70])
"""A record of type alert with two bytes: fatal, protocol_version (RFC 8446 sections 5.1 and 6)."""


class Pacer:
    """When the next connection may be accepted: evenly spaced, with no credit saved up while none came."""

    def __init__(self, per_second: float | None, now: Callable[[], float] = time.monotonic) -> None:
        self._gap = 0.0 if per_second is None else 1 / per_second
        self._now = now
        self._next = now()

    def take(self) -> float:
        """Reserve the next time; returns the seconds until it comes."""
        now = self._now()
        at = max(self._next, now - CATCH_UP_SECONDS)
        self._next = at + self._gap
        return max(0.0, at - now)


class Acceptor:
    """Has the interface of asyncio's servers that uvicorn uses. `on_failure` gets the error of a failed handshake.

    Handshakes under way are in `handshaking`, which belongs to the server: they outlive an acceptor that is paused.
    """

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        *,
        pacer: Pacer,
        tls: ssl.SSLContext | None,
        on_failure: Callable[[Exception], None],
        handshaking: set[asyncio.Task[None]],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._protocol = protocol
        self._pacer = pacer
        self._tls = tls
        self._on_failure = on_failure
        self._handshaking = handshaking
        self._accepting = self._loop.create_task(self._accept())

    def close(self) -> None:
        """Accept no more. The listening socket stays open."""
        self._accepting.cancel()
        self._unwatch_listener()

    async def wait_closed(self) -> None:
        await asyncio.wait([self._accepting])

    async def _accept(self) -> None:
        while True:
            # Wait for a pending connection before reserving a time, so that waiting uses none up.
            await self._connection_pending()
            if delay := self._pacer.take():
                await asyncio.sleep(delay)
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                continue  # gone again
            except OSError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            connection.setblocking(False)
            task = self._loop.create_task(self._begin(connection))
            self._handshaking.add(task)
            task.add_done_callback(self._handshaking.discard)

    async def _connection_pending(self) -> None:
        readable = asyncio.Event()
        self._loop.add_reader(self._listener, readable.set)
        try:
            await readable.wait()
        finally:
            self._unwatch_listener()

    def _unwatch_listener(self) -> None:
        if self._listener.fileno() >= 0:  # else it is closed, and was removed before
            self._loop.remove_reader(self._listener)

    async def _begin(self, connection: socket.socket) -> None:
        """Give an accepted socket to the loop, after the TLS handshake if there is TLS."""
        if self._tls is None:
            with suppress(OSError):  # gone already
                await self._loop.connect_accepted_socket(self._protocol, connection)
            return
        # The loops close after a failed handshake without the alert that would tell the client why.
        with connection.dup() as ours:
            try:
                await self._loop.connect_accepted_socket(self._protocol, connection, ssl=self._tls)
            except OSError as error:  # ssl.SSLError and TimeoutError are among them
                self._on_failure(error)
                if isinstance(error, ssl.SSLError) and error.reason == "UNSUPPORTED_PROTOCOL":
                    with suppress(OSError):
                        ours.send(PROTOCOL_VERSION_ALERT)
