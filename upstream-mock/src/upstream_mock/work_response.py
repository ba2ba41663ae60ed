"""A response of /work, prepared once for all requests that get the same."""

import base64
import hashlib
from collections.abc import Awaitable, Callable

from upstream_mock import framing
from upstream_mock.asgi import BODILESS, Headers, Scope, Send
from upstream_mock.client import Client
from upstream_mock.payload import PIECE_BYTES, Payload, body_of

Pause = Callable[[Client, float], Awaitable[object]]
"""Lets so many seconds pass; None, and at once, if the client leaves."""


class WorkResponse:
    """A payload's bytes and headers."""

    def __init__(self, payload: Payload) -> None:
        self._payload = payload
        self._body = body = body_of(payload)
        self._headers: Headers = [(b"content-type", body.content_type)]
        if payload.encoding != "identity":
            self._headers.append((b"content-encoding", payload.encoding.encode()))
        if payload.content == "sse":
            self._headers.append((b"cache-control", b"no-store"))
        self._trailers = self._make_trailers() if payload.trailers else []
        if self._trailers:
            self._headers.append((b"trailer", b", ".join(name for name, _ in self._trailers)))
        # What nearly every request gets: a body that is one write, and known in advance.
        self._whole: bytes | None = None
        if payload.framed == "content-length" and body.count == 1 and body.length <= PIECE_BYTES:
            self._whole = b"".join(body.chunk(0))
            self._whole_headers: Headers = [*self._headers, (b"content-length", b"%d" % body.length)]

    async def give(self, pause: Pause, client: Client, scope: Scope, send: Send, *, status: int, timing: bytes) -> None:
        """Send it, waiting for a slow reader; stops when the client leaves."""
        if self._whole is not None and status not in BODILESS:
            headers = [*self._whole_headers, (b"server-timing", timing)]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": self._whole})
            return
        start = {"type": "http.response.start", "status": status, "headers": [(b"server-timing", timing)]}
        if status in BODILESS:
            await send(start)
            await send({"type": "http.response.body"})
            return
        start["headers"] = [*self._headers, (b"server-timing", timing)]
        framed = framing.framing_for(scope, self._payload.framed)
        trailers = bool(self._trailers)
        await framing.begin(scope, send, start, framing=framed, length=self._body.length, trailers=trailers)
        if scope["method"] == "HEAD" or await self._give_body(pause, client, send):
            await framing.end(scope, send, self._trailers)

    async def _give_body(self, pause: Pause, client: Client, send: Send) -> bool:
        for number in range(self._body.count):
            if number and await pause(client, self._payload.gap_seconds) is None:
                return False
            # A piece at a time, so that a slow reader is waited for instead of holding all of a large body in memory.
            for piece in self._body.chunk(number):
                if client.gone:
                    return False
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        return True

    def _make_trailers(self) -> Headers:
        # RFC 9530: what a trailer is good for, a digest of what was sent that is known only when all of it was.
        digest = hashlib.sha256()
        for number in range(self._body.count):
            for piece in self._body.chunk(number):
                digest.update(piece)
        return [(b"content-digest", b"sha-256=:" + base64.b64encode(digest.digest()) + b":")]
