"""Short JSON answers, and what is said of a body by the head alone."""

import json
from collections.abc import Sequence

from upstream_mock.asgi import OPTIONS_KEY, Scope, Send

BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})
BODILESS = frozenset({204, 304})
"""Statuses of answers without a body (RFC 9110, 6.4.1)."""


def has_body(scope: Scope) -> bool:
    """Whether the request announces one that is not empty."""
    return any(name in BODY_HEADERS and value != b"0" for name, value in scope.get(OPTIONS_KEY, ()))


async def answer_short(send: Send, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    """Answer with a few bytes of JSON."""
    head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, line: str) -> None:
    """400 and the line, in the form that httpbin's words refuse in."""
    await answer_short(send, 400, json.dumps({"detail": line}).encode())
