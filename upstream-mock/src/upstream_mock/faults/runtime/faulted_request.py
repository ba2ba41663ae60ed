"""One request in a fault's hands: everything a fault can do, in words."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from upstream_mock.asgi import App, Message, Receive, Scope, Send
from upstream_mock.client import Client
from upstream_mock.raw_connection import RawConnection

Pause = Callable[[Client, float], Awaitable[bool]]

BODY_SECONDS = 10.0  # a body that takes longer is not read to its end, or not sent, and what was to be FIN may be RST
_FLUSH_SECONDS = 0.001


@dataclass(slots=True)
class FaultedRequest:
    """A request that was struck.

    `serve` is the app that would have answered it, and `asked` whether it was; `random` are the faults' own numbers.
    """

    scope: Scope
    receive: Receive
    send: Send
    serve: App
    caller: Client
    wire: RawConnection
    pauses: Pause
    random: Random
    asked: bool = False

    async def answer(self, send: Send | None = None) -> None:
        """Let the app answer, through `send` if something is to be done to what it says."""
        self.asked = True
        self.caller.unserved = False
        await self.serve(self.scope, self.receive, _WrappedSend(send, self.send) if send else self.send)

    async def pause(self, seconds: float) -> bool:
        """Let time pass. False, and at once, if the caller leaves; True at once if the mock is told to end."""
        return await self.pauses(self.caller, seconds)

    async def take_body(self) -> None:
        """Read the request to its end, for a socket that is closed with bytes unread sends RST instead of FIN."""
        if not self.wire.body_due:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BODY_SECONDS):
                while self.wire.body_due and (await self.receive())["type"] == "http.request":
                    pass

    async def write(self, data: bytes) -> None:
        """Send bytes as they are, past HTTP."""
        await self.wire.write(data)

    async def finish(self, *, close: bool = True) -> None:
        """What was written is the whole answer; it counts as completed, however malformed."""
        if close:
            await self.take_body()
        self.wire.answered(close=close)

    async def fin(self) -> None:
        """Close in place of an answer, or of its rest."""
        await self.take_body()
        self.wire.cut(reset=False)

    async def rst(self) -> None:
        """Reset in place of an answer, or of its rest; what was written before is sent first."""
        # A reset throws away what the kernel still holds, so a slow reader is waited for.
        give_up = time.monotonic() + BODY_SECONDS
        while self.wire.unsent and time.monotonic() < give_up:
            if not await self.pause(_FLUSH_SECONDS):
                return
        self.wire.cut(reset=True)

    async def finish_early(self, linger: float) -> None:
        """As `finish`, but with the request unread: FIN now, and what still comes is thrown away for a while.

        A socket that is closed with bytes unread sends RST, which may overtake the answer in the caller's eyes.
        """
        self.wire.answered_early()
        if linger:
            await self.pause(linger)
        self.wire.close()


class _WrappedSend:
    """A `send` around another; whose method that one is can still be told, as from the method itself."""

    def __init__(self, send: Send, inner: Send) -> None:
        self._send = send
        self.__self__ = getattr(inner, "__self__", None)

    async def __call__(self, message: Message) -> None:
        await self._send(message)
