"""A request that a fault is applied to, with everything a fault can do to it."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from upstream_mock.asgi import App, Message, Receive, Scope, Send
from upstream_mock.client import Client, RawConnection

BODY_SECONDS = 10.0  # a body that takes longer is not read to its end, or not sent, and what was to be FIN may be RST
_FLUSH_SECONDS = 0.001


@dataclass(slots=True)
class FaultedRequest:
    """One request. `serve` is the app that would have answered it, `asked` whether it was asked to.

    `pauses` lets time pass for a client; `random` is the source of the faults' own random numbers.
    """

    scope: Scope
    receive: Receive
    send: Send
    serve: App
    client: Client
    connection: RawConnection
    pauses: Callable[[Client, float], Awaitable[bool]]
    random: Random
    asked: bool = False

    async def answer(self, send: Send | None = None) -> None:
        """Let the app answer, through `send` if its messages are to be changed."""
        self.asked = True
        self.client.unserved = False
        await self.serve(self.scope, self.receive, _WrappedSend(send, self.send) if send else self.send)

    async def pause(self, seconds: float) -> bool:
        """Let time pass. False, and at once, if the client leaves; True at once if the mock is shutting down."""
        return await self.pauses(self.client, seconds)

    async def read_body(self) -> None:
        """Read the request to its end, since closing a socket with unread bytes sends RST instead of FIN."""
        if not self.connection.body_due:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BODY_SECONDS):
                while self.connection.body_due and (await self.receive())["type"] == "http.request":
                    pass

    async def write(self, data: bytes) -> None:
        """Send bytes as they are, past HTTP."""
        await self.connection.write(data)

    async def finish(self, *, close: bool = True) -> None:
        """What was written is the whole answer; the request counts as completed, however malformed the answer is."""
        if close:
            await self.read_body()
        self.connection.answered(close=close)

    async def fin(self) -> None:
        """Close in place of an answer, or of its rest."""
        await self.read_body()
        self.connection.cut(reset=False)

    async def rst(self) -> None:
        """Reset in place of an answer, or of its rest; what was written before is sent first."""
        # A reset throws away what the kernel still holds, so a slow reader is waited for.
        give_up = time.monotonic() + BODY_SECONDS
        while self.connection.unsent and time.monotonic() < give_up:
            if not await self.pause(_FLUSH_SECONDS):
                return
        self.connection.cut(reset=True)

    async def finish_early(self, linger: float) -> None:
        """As `finish`, with the request unread: FIN now, and what still arrives is thrown away for `linger` seconds.

        Closing a socket with unread bytes sends RST, which may make a client drop the answer before it has read it.
        """
        self.connection.answered_early()
        if linger:
            await self.pause(linger)
        self.connection.close()


class _WrappedSend:
    """A `send` around another one; `__self__` is still the inner one's, by which framing.py finds uvicorn's cycle."""

    def __init__(self, send: Send, inner: Send) -> None:
        self._send = send
        self.__self__ = getattr(inner, "__self__", None)

    async def __call__(self, message: Message) -> None:
        await self._send(message)
