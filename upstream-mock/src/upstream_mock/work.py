"""/work: what the environment describes. A raw ASGI path, since the mock must not be what a benchmark measures."""

from collections.abc import Awaitable, Callable, MutableMapping
from time import monotonic_ns
from typing import Any

from upstream_mock.caller import caller_of
from upstream_mock.mock import Mock

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PIECE_BYTES = 65_536
_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})
_JSON = b'{"payload":"%s"}'
_SHORTEST_JSON = len(_JSON % b"")
_ERROR_BODY = b'{"error":"UPSTREAM_ERROR_RATE"}'


def payload(length: int) -> tuple[bytes, bytes]:
    """A body of exactly `length` bytes and its content type: JSON, or text where JSON is too long."""
    if length < _SHORTEST_JSON:
        return b"x" * length, b"text/plain; charset=utf-8"
    return _JSON % (b"x" * (length - _SHORTEST_JSON)), b"application/json"


def server_timing(*, queue_ms: float, work_ms: float, late_ms: float) -> bytes:
    """Server-Timing: waited for a server, then the latency that was drawn, then how much more it took."""
    return f"queue;dur={queue_ms:.3f}, work;dur={work_ms:.3f}, late;dur={late_ms:.3f}".encode()


class Work:
    """The ASGI app of /work: takes the request, waits for a server, lets the drawn latency pass, answers."""

    def __init__(self, mock: Mock) -> None:
        self._mock = mock
        self._error_rate = mock.settings.error_rate
        body, content_type = payload(mock.settings.payload_bytes)
        self._good = 200, body, _head(body, content_type)
        self._bad = 500, _ERROR_BODY, _head(_ERROR_BODY, b"application/json")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Returns without an answer when the caller has left: there is nobody to give it to."""
        mock = self._mock
        # Drawn on arrival and for every request: the sequence is the seed's, whatever becomes of the request.
        drawn, failing = mock.latency.draw(), mock.errors.random() < self._error_rate
        if _has_body(scope) and not await _taken(receive):
            return
        caller = caller_of(scope)
        arrived = monotonic_ns()
        if not await mock.capacity.enter(caller):
            return
        queued_ms = (monotonic_ns() - arrived) / 1e6
        mock.capacity.waited(queued_ms)
        try:
            pause = await mock.pause(caller, drawn)
        finally:
            mock.capacity.leave()
        if pause is None:
            return
        status, body, headers = self._bad if failing else self._good
        timing = server_timing(queue_ms=queued_ms, work_ms=pause.drawn_ms, late_ms=pause.late_ms)
        await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"server-timing", timing)]})
        await _send_body(send, body)


def _head(body: bytes, content_type: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]


def _has_body(scope: Scope) -> bool:
    # Asked first, because receive() costs a few per cent of a request even if there is nothing to receive.
    for name, _ in scope["headers"]:  # noqa: SIM110 any() with a generator takes twice as long
        if name in _BODY_HEADERS:
            return True
    return False


async def _taken(receive: Receive) -> bool:
    """Read the request's body to its end; False if the caller left before."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        if not message.get("more_body"):
            return True


async def _send_body(send: Send, body: bytes) -> None:
    # In pieces, so that a slow reader is waited for instead of holding all of a large body in the socket's buffer.
    start = 0
    while len(body) - start > PIECE_BYTES:
        await send({"type": "http.response.body", "body": body[start : start + PIECE_BYTES], "more_body": True})
        start += PIECE_BYTES
    await send({"type": "http.response.body", "body": body[start:]})
