"""Faults of the answer's body: cut short, stalled, or sent in small pieces."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from service_kit.duration import LONGEST_SECONDS
from upstream_mock.asgi import BODILESS, Message, Scope
from upstream_mock.faults.runtime.fault import Fault, count, seconds
from upstream_mock.faults.runtime.faulted_request import FaultedRequest


class BodyFault(Fault):
    """A fault of the answer's body; an answer to HEAD has none."""

    def applies_to(self, scope: Scope, carried: int) -> bool:  # noqa: ARG002 every request of a connection alike
        return bool(scope["method"] != "HEAD")


@dataclass(frozen=True)
class LimitData(BodyFault):
    """Toxiproxy's limit_data: `after` bytes of the body or all but the last one, whichever is less; then FIN.

    The answer begins after its latency. With Content-Length fewer bytes come than were promised, with chunks the last
    chunk is missing. With `UPSTREAM_FRAMING=close` no client can tell that the answer was cut.
    """

    after: int = count(64)

    async def apply(self, request: FaultedRequest) -> None:
        await request.answer(InterruptedBody(request, self.after, lambda: self._end(request)))

    async def _end(self, request: FaultedRequest) -> bool:
        await request.fin()
        return False


@dataclass(frozen=True)
class LimitDataReset(LimitData):
    """LIMIT_DATA that ends with RST."""

    async def _end(self, request: FaultedRequest) -> bool:
        await request.rst()
        return False


@dataclass(frozen=True)
class StallInBody(BodyFault):
    """Toxiproxy's timeout after some data: head and `after` bytes, or all but the last one; `delay`; the rest."""

    delay: float = seconds(30.0)
    after: int = count(64)

    async def apply(self, request: FaultedRequest) -> None:
        await request.answer(InterruptedBody(request, self.after, lambda: request.pause(self.delay)))


@dataclass(frozen=True)
class Slicer(BodyFault):
    """Toxiproxy's slicer, WireMock's chunkedDribbleDelay: `size` bytes of the body at a time, `delay` between them.

    The head comes at once, and after an hour of delays the rest of the body does.
    """

    delay: float = seconds(0.5)
    size: int = count(12, least=1)

    async def apply(self, request: FaultedRequest) -> None:
        slices, paused = 0, 0.0

        async def send(message: Message) -> None:
            nonlocal slices, paused
            body = message.get("body", b"")
            if not body:
                await request.send(message)
                return
            for start in range(0, len(body), self.size):
                if slices and paused + self.delay <= LONGEST_SECONDS:
                    paused += self.delay
                    if not await request.pause(self.delay):
                        return
                slices += 1
                end = start + self.size
                more = end < len(body) or message.get("more_body", False)
                await request.send({"type": "http.response.body", "body": body[start:end], "more_body": more})

        await request.answer(send)


class InterruptedBody:
    """A `send` that lets `after` bytes of the body pass, but never the last of them, and then calls `then` once.

    The rest follows if `then` returns True, otherwise nothing does. A body of no length passes: it has no middle.
    """

    def __init__(self, request: FaultedRequest, after: int, then: Callable[[], Awaitable[bool]]) -> None:
        self._send = request.send
        self._room = after
        self._then = then
        self._passing = False
        self._over = False

    async def __call__(self, message: Message) -> None:
        if self._over:
            return
        if message["type"] == "http.response.start":
            length = content_length(message)
            if length is not None:
                self._room = min(self._room, length - 1)
            self._passing = length == 0 or message["status"] in BODILESS
        elif message["type"] == "http.response.body" and not self._passing:
            await self._send_body(message)
            return
        await self._send(message)

    async def _send_body(self, message: Message) -> None:
        body, more = message.get("body", b""), message.get("more_body", False)
        room = max(0, self._room if more else min(self._room, len(body) - 1))
        if len(body) < room:
            self._room -= len(body)
            await self._send(message)
            return
        if room and body:
            await self._send({"type": "http.response.body", "body": body[:room], "more_body": True})
        self._passing = True
        if await self._then():
            await self._send({"type": "http.response.body", "body": body[room:], "more_body": more})
        else:
            self._over = True


def content_length(start: Message) -> int | None:
    return next((int(value) for name, value in start.get("headers", ()) if name.lower() == b"content-length"), None)
