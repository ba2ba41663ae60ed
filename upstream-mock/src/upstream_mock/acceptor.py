"""Accepting connections by our own loop: at a limited rate, and with the handshakes counted.

An event loop's own server accepts whatever waits, a batch at a time, and says nothing of a handshake that failed. Here
the listening socket is read only when it is its turn; until then connections wait in the kernel's backlog, as before a
server that is too busy to accept.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

CATCH_UP_SECONDS = 0.01
"""A turn that came late, because the loop was busy, is made up for if it was no later than this."""

RETRY_SECONDS = 1.0
"""Out of file descriptors or memory: asyncio's own server waits as long."""


PROTOCOL_VERSION_ALERT = bytes([21, 3, 1, 0, 2, 2, 70])
"""A record of type alert with two bytes: fatal, protocol_version (RFC 8446 sections 5.1 and 6)."""


class Pacer:
    """When the next connection may be accepted: evenly spaced, with no credit saved up while nobody came."""

    def __init__(self, per_second: float | None, now: Callable[[], float] = time.monotonic) -> None:
        self._gap = 0.0 if per_second is None else 1 / per_second
        self._now = now
        self._next = now()

    def take(self) -> float:
        """Take the next turn; returns the seconds until it comes."""
        now = self._now()
        turn = max(self._next, now - CATCH_UP_SECONDS)
        self._next = turn + self._gap
        return max(0.0, turn - now)


class Acceptor:
    """Looks to uvicorn like one of asyncio's servers. `broke` is told of handshakes that failed.

    Those under way are in `beginning`, which is the owner's: they outlive an acceptor that is closed for a while.
    """

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        *,
        turns: Pacer,
        tls: ssl.SSLContext | None,
        broke: Callable[[Exception], None],
        beginning: set[asyncio.Task[None]],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._protocol = protocol
        self._turns = turns
        self._tls = tls
        self._broke = broke
        self._beginning = beginning
        self._accepting = self._loop.create_task(self._accept())

    def close(self) -> None:
        """Accept no more. The listening socket is the caller's to close."""
        self._accepting.cancel()
        self._forget_listener()

    async def wait_closed(self) -> None:
        """Wait until that is done."""
        await asyncio.wait([self._accepting])

    async def _accept(self) -> None:
        while True:
            # Somebody is there first, and then it is his turn: a turn is not used up by waiting for somebody.
            await self._somebody()
            if delay := self._turns.take():
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
            self._beginning.add(task)
            task.add_done_callback(self._beginning.discard)

    async def _somebody(self) -> None:
        """Wait until the listening socket can be read."""
        readable = asyncio.Event()
        self._loop.add_reader(self._listener, readable.set)
        try:
            await readable.wait()
        finally:
            self._forget_listener()

    def _forget_listener(self) -> None:
        if self._listener.fileno() >= 0:  # else it was closed, and forgotten before
            self._loop.remove_reader(self._listener)

    async def _begin(self, connection: socket.socket) -> None:
        """Hand an accepted socket to the loop, through TLS if there is any."""
        if self._tls is None:
            with suppress(OSError):  # gone already
                await self._loop.connect_accepted_socket(self._protocol, connection)
            return
        # The loops hang up on a failed handshake without the alert that would tell the client why.
        with connection.dup() as ours:
            try:
                await self._loop.connect_accepted_socket(self._protocol, connection, ssl=self._tls)
            except OSError as error:  # ssl.SSLError and TimeoutError are among them
                self._broke(error)
                if isinstance(error, ssl.SSLError) and error.reason == "UNSUPPORTED_PROTOCOL":
                    with suppress(OSError):
                        ours.send(PROTOCOL_VERSION_ALERT)
