"""The client's side of a request: its body as it arrives, and the moment the client leaves."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final

import anyio

from proxy.asgi import Receive
from proxy.forward.downstream_connection import DownstreamConnection

READ_AHEAD_BYTES: Final = 65_536
"""How much of a body is read before it is asked for, so that a caller that leaves meanwhile is noticed."""

PIECE_BYTES: Final = 4_096
"""Pieces that wait are joined up to this: a body that comes byte by byte would take thirty times its length."""

LINGER_SECONDS: Final = 1.0
"""How long an upload goes on being read, and thrown away, after its answer: a caller that still sends when its
connection is closed may lose the answer (RFC 9112 section 9.6)."""


class ClientDisconnected(Exception):
    """The client left, or its body is no longer wanted."""


class Incoming:
    """A caller's body as far as it has been read and not passed on."""

    __slots__ = ("arrived", "chunks", "held_bytes", "most_bytes", "room")

    def __init__(self) -> None:
        self.chunks: deque[bytes] = deque()
        self.held_bytes = 0
        self.most_bytes = READ_AHEAD_BYTES
        self.arrived = asyncio.Event()
        self.room = asyncio.Event()

    def keep(self, chunk: bytes) -> None:
        """Take a piece of it."""
        if not chunk:
            return
        self.held_bytes += len(chunk)
        if self.chunks and len(self.chunks[-1]) + len(chunk) <= PIECE_BYTES:
            self.chunks[-1] += chunk
        else:
            self.chunks.append(chunk)

    def take(self) -> bytes:
        """Return the next piece, which makes room for another."""
        chunk = self.chunks.popleft()
        self.held_bytes -= len(chunk)
        self.room.set()
        return chunk

    def drop(self) -> None:
        """Forget it: it is not needed any more; what waits for it wakes up and looks why."""
        self.chunks.clear()
        self.held_bytes = 0
        self.room.set()
        self.arrived.set()


class Downstream:
    """Reads of one client, in a task of its own. `leave` is called when it left before its answer was whole.

    A client that sends no body is not read: its connection reports that it left, where the server has one to give.
    `whole`: its request has come to its end. `gone`: it left, or was cut off. `timed_out`: it was too slow.
    """

    __slots__ = (
        "_answered",
        "_asked",
        "_connection",
        "_incoming",
        "_leave",
        "_reader",
        "_receive",
        "_silent",
        "_waits",
        "gone",
        "whole",
    )

    def __init__(
        self, receive: Receive, leave: Callable[[], None], connection: DownstreamConnection | None = None
    ) -> None:
        self._receive = receive
        self._leave = leave
        self._connection = connection
        self._reader: asyncio.Task[None] | None = None
        self._incoming: Incoming | None = None  # most send none
        self._answered = False
        self.whole = True
        self.gone = False
        self._asked = self._waits = self._silent = False

    @property
    def timed_out(self) -> bool:
        """Whether the caller was too slow: with its body, or to read the answer."""
        return self._silent or (self._connection is not None and self._connection.timed_out)

    def begin(self, *, has_body: bool, body_when_asked: bool) -> None:
        """Notice from here on when the client leaves, and read its body. Raises ClientDisconnected if it has left.

        `body_when_asked`: nothing is read, and no 100 Continue sent, until `body` is iterated.
        """
        connection = self._connection
        if connection is not None:
            self.gone = connection.lost
            connection.on_lost = self._note_gone
        if has_body:
            self.whole = False
            self._incoming = Incoming()
            if self._connection is not None:
                self._connection.on_timeout = self._note_silent
            if body_when_asked:
                return
        self._attend()
        if self.gone:
            raise ClientDisconnected

    def _attend(self) -> None:
        """Begin to read: the body if there is one, then nothing but notice when the client leaves."""
        if self._reader is None and not (self.whole and self._connection is not None):
            self._reader = asyncio.create_task(self._read())

    async def read_ahead(self, most_bytes: int, declared_bytes: int | None) -> None:
        """Wait for the whole body, or of a longer one for its beginning. Raises ClientDisconnected.

        `declared_bytes` is its length, None if that is not known before its end.
        """
        incoming = self._incoming
        if incoming is None:
            return
        incoming.most_bytes = max(most_bytes, READ_AHEAD_BYTES)
        enough = most_bytes if declared_bytes is None else declared_bytes if declared_bytes <= most_bytes else 1
        self._attend()
        while not self.whole and incoming.held_bytes < enough:
            await self._arrival(incoming)

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes. Raises ClientDisconnected if it stops before its end."""
        incoming = self._incoming
        if incoming is None:
            return
        self._asked = True
        self._attend()
        while True:
            while not incoming.chunks:
                if self.whole and not self._is_over:
                    return
                await self._arrival(incoming)
            if self._is_over:
                raise ClientDisconnected
            yield incoming.take()

    @property
    def awaits_body(self) -> bool:
        """Whether more of the body is wanted and there is room for it: what takes long is the caller.

        The library may have a piece in its hands, and ask for the next a moment later.
        """
        if self._waits:
            return True
        incoming = self._incoming
        return self._asked and not self.whole and incoming is not None and incoming.held_bytes < incoming.most_bytes

    @property
    def _is_over(self) -> bool:
        """Whether no more of the body will come, or is needed."""
        return self.gone or self._answered or self._silent

    async def _arrival(self, incoming: Incoming) -> None:
        """Wait for more of the body. Raises ClientDisconnected if none will come, or is wanted."""
        if not self._is_over:
            incoming.arrived.clear()
            self._waits = True
            await incoming.arrived.wait()  # cancelled, it has waited for the caller to the end
            self._waits = False
        if self._is_over:
            raise ClientDisconnected

    async def linger(self) -> None:
        """Throw away what still comes of an upload that has been answered, for a moment."""
        self.note_answered()
        incoming = self._incoming
        if self.whole or self._reader is None or incoming is None:
            return
        with anyio.move_on_after(LINGER_SECONDS):
            while not (self.whole or self.gone):
                incoming.arrived.clear()
                await incoming.arrived.wait()

    def note_answered(self) -> None:
        """Note that the answer is out but for its end: whoever leaves now misses nothing, and no body is wanted."""
        self._answered = True
        if self._incoming is not None:
            self._incoming.drop()

    def end(self) -> None:
        """Read no more. A client that still asks for the body gets ClientDisconnected."""
        self.note_answered()
        if self._connection is not None:
            self._connection.on_lost = self._connection.on_timeout = None
        if self._reader is not None:
            self._reader.cancel()

    async def _read(self) -> None:
        if self._incoming is not None:
            await self._read_body(self._incoming)
        while not self.gone:
            if (await self._receive())["type"] == "http.disconnect":
                self._note_gone()
                return

    async def _read_body(self, incoming: Incoming) -> None:
        while not self.whole:
            while incoming.held_bytes >= incoming.most_bytes:
                incoming.room.clear()
                await incoming.room.wait()
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._note_gone()
                return
            if not self._answered:
                incoming.keep(message.get("body", b""))
            self.whole = not message.get("more_body", False)
            incoming.arrived.set()

    def _note_silent(self) -> None:
        """The body stopped, or is too slow. After the answer it is not waited for long anyway."""
        if not self._answered:
            self._silent = True
            self._leave()
            if self._incoming is not None:
                self._incoming.arrived.set()

    def _note_gone(self) -> None:
        if not self._answered:
            self.gone = True
            self._leave()
        elif not self.whole:
            self.gone = True
        if self._incoming is not None:
            self._incoming.arrived.set()
