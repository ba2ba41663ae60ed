"""The app's own answer, stopped in the middle of its body."""

from collections.abc import Awaitable, Callable

from upstream_mock.asgi import Message, Scope
from upstream_mock.faults.runtime.fault import Fault
from upstream_mock.faults.runtime.faulted_request import FaultedRequest
from upstream_mock.json_response import BODILESS

Then = Callable[[], Awaitable[bool]]


class BodyFault(Fault):
    """A fault of the answer's body; an answer to HEAD has none."""

    def reaches(self, scope: Scope, carried: int) -> bool:  # noqa: ARG002 every request of a connection alike
        """All but HEAD."""
        return bool(scope["method"] != "HEAD")


class InterruptedBody:
    """A `send` that lets `after` bytes of the body pass, but never the last of them, and then calls `then` once.

    The rest follows if `then` says True, otherwise nothing does. A body of no length passes: there is no middle.
    """

    def __init__(self, request: FaultedRequest, after: int, then: Then) -> None:
        self._send = request.send
        self._room = after
        self._then = then
        self._passing = False
        self._over = False

    async def __call__(self, message: Message) -> None:
        """ASGI's send."""
        if self._over:
            return
        if message["type"] == "http.response.start":
            length = content_length(message)
            if length is not None:
                self._room = min(self._room, length - 1)
            self._passing = length == 0 or message["status"] in BODILESS
        elif message["type"] == "http.response.body" and not self._passing:
            await self._body(message)
            return
        await self._send(message)

    async def _body(self, message: Message) -> None:
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
    """The length an answer's head gives, if it gives one."""
    return next((int(value) for name, value in start.get("headers", ()) if name.lower() == b"content-length"), None)
