"""The network backend of the tuned pool: one epoll for all idle sockets, and an early answer ends an upload.

A pool asks of every idle connection for every request whether its peer has closed it. At 64 connections that is a
hundred system calls a request and nearly half of its time. Here one call answers for all of them, and its answer holds
for a millisecond: a connection that was closed within it looks open, as it would if the peer had closed it a
millisecond later. On systems without epoll each socket is asked by itself.

httpcore writes a request to its end before it reads. An upstream that answers 413 and reads no more would then stand
against a full socket until the write time-out, and its answer would be lost. So the socket is looked at, without taking
anything out of it, before each piece of a body and now and then while one is stuck.
"""

import asyncio
import os
import re
import select
import socket
import time
from typing import Any, Final

import anyio

from poolwatch.trace import current

from .httpcore_backend import ForwardingBackend, ForwardingStream

POLL_SECONDS: Final = 0.05
_NO: Final = re.compile(rb"HTTP/1\.[01] [345]")
_ENDS: Final = (b"", b"0\r\n\r\n")
"""What ends a body. It is always written: the library counts the request as whole then and keeps the connection."""


class TunedBackend(ForwardingBackend):
    """Connections that share one epoll. `write_error` is what the pool expects of a write that fails."""

    def __init__(self, inner: Any, max_age_seconds: float | None, write_error: type[Exception]) -> None:
        super().__init__(inner, max_age_seconds)
        self._write_error = write_error
        self._readiness = Readiness()

    def _stream(self, inner: Any) -> ForwardingStream:
        return TunedStream(inner, self.max_age_seconds, self._write_error, self._readiness)


class TunedStream(ForwardingStream):
    """One connection of a tuned pool."""

    def __init__(
        self, inner: Any, max_age_seconds: float | None, write_error: type[Exception], readiness: "Readiness"
    ) -> None:
        super().__init__(inner, max_age_seconds)
        self._write_error = write_error
        self._readiness = readiness
        self._peer: Peer | None = None
        self._served: object | None = None

    async def _write(self, buffer: bytes, timeout: float | None) -> None:
        trace = current.get()
        if trace is not self._served:  # the first piece of a request
            self._served = trace
            await self._inner.write(buffer, timeout)
        elif not await write_unless_refused(self._inner, buffer, timeout):
            raise self._write_error("the upstream has answered already")  # the pool goes on to read the answer

    def _is_readable(self) -> bool:
        if self._peer is None:
            found = self._inner.get_extra_info("socket")
            if found is None or not hasattr(select, "poll"):
                return bool(self._inner.get_extra_info("is_readable"))
            self._peer = self._readiness.join(found)
        return self._peer.is_readable()


def is_refused(stream: Any) -> bool:
    """Whether a final answer that is no success waits to be read. Nothing is seen through TLS: no, then."""
    if not stream.get_extra_info("is_readable") or stream.get_extra_info("ssl_object") is not None:
        return False
    shown = stream.get_extra_info("socket")
    if shown is None or shown.fileno() < 0:
        return False
    try:
        with socket.socket(fileno=os.dup(shown.fileno())) as twin:
            return _NO.match(twin.recv(10, socket.MSG_PEEK | socket.MSG_DONTWAIT)) is not None
    except OSError:  # nothing to read yet, or no descriptor for the twin
        return False


async def write_unless_refused(stream: Any, buffer: bytes, timeout: float | None) -> bool:
    """Write a piece of a body. Returns False, with some of it perhaps written, if the upstream wants no more."""
    if buffer in _ENDS:
        await stream.write(buffer, timeout)
        return True
    if is_refused(stream):
        return False
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None
    with anyio.CancelScope() as scope:

        def look() -> None:
            nonlocal timer
            if is_refused(stream):
                scope.cancel()
            else:
                timer = loop.call_later(POLL_SECONDS, look)

        timer = loop.call_later(POLL_SECONDS, look)
        try:
            await stream.write(buffer, timeout)
        finally:
            if timer is not None:
                timer.cancel()
        return True
    return False


FRESH_SECONDS: Final = 0.001


class Readiness:
    """The sockets of one pool."""

    def __init__(self) -> None:
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._readable: frozenset[int] = frozenset()
        self._asked_at = 0.0

    def join(self, peer: socket.socket) -> "Peer":
        """Take a socket in; the kernel forgets it when it is closed."""
        peer_number = peer.fileno()
        if self._epoll is None or peer_number < 0:
            return PolledPeer(peer)
        try:
            self._epoll.register(peer_number, select.EPOLLIN)
        except FileExistsError:  # its number was another connection's that is gone
            self._epoll.modify(peer_number, select.EPOLLIN)
        self._asked_at = 0.0
        return Peer(self, peer)

    def has(self, number: int) -> bool:
        """Whether a socket had something to read within the last millisecond."""
        now = time.monotonic()
        if now - self._asked_at > FRESH_SECONDS and self._epoll is not None:
            self._readable = frozenset(number for number, _ in self._epoll.poll(0))
            self._asked_at = now
        return number in self._readable

    def close(self) -> None:
        """Give the kernel's list back."""
        if self._epoll is not None:
            self._epoll.close()


class Peer:
    """One socket among the others."""

    def __init__(self, readiness: Readiness, peer: Any) -> None:
        self._readiness = readiness
        self._socket = peer

    def is_readable(self) -> bool:
        """Whether there is something to read, or the socket is closed."""
        number = self._socket.fileno()
        return number < 0 or self._readiness.has(number)


class PolledPeer(Peer):
    """A socket that is asked by itself."""

    def __init__(self, peer: Any) -> None:
        self._socket = peer
        self._poll = select.poll()
        if peer.fileno() >= 0:
            self._poll.register(peer.fileno(), select.POLLIN)

    def is_readable(self) -> bool:
        """Whether there is something to read, or the socket is closed."""
        return self._socket.fileno() < 0 or bool(self._poll.poll(0))
