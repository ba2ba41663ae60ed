"""ASGI's types, the mock's own keys in a request's scope, and small JSON responses."""

import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

CORRELATION_KEY = "upstream_mock.correlation"
"""The headers that identify a request; no such key if it has none (see scope_headers.py)."""

OPTIONS_KEY = "upstream_mock.options"
"""The headers that ask for something, and those that announce a body; no such key if it has none."""

BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})
BODILESS = frozenset({204, 304})
"""Statuses of responses without a body (RFC 9110, 6.4.1)."""


def has_body(scope: Scope) -> bool:
    """Whether the request announces a body that is not empty."""
    return any(name in BODY_HEADERS and value != b"0" for name, value in scope.get(OPTIONS_KEY, ()))


async def answer_json(send: Send, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, line: str) -> None:
    """400 and the line, in the format of FastAPI's own errors."""
    await answer_json(send, 400, json.dumps({"detail": line}).encode())
