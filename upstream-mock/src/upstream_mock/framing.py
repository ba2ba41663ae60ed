"""How the end of an answer is marked, including two ways that uvicorn has no ASGI message for.

An HTTP/1.1 answer that lasts until the connection closes, and trailers: uvicorn 0.54 offers neither with httptools
(`http.response.trailers` is among the extensions of its HTTP/2 only). This is the one place that reaches into its
answer: with `chunked_encoding` set to False it takes the framing as settled and passes bytes on as they are, as many
as `expected_content_length`. Back-pressure, counting and the end of the connection stay uvicorn's.
"""

from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from upstream_mock.asgi import Headers, Scope, Send
from upstream_mock.payload import Framing

_TRAILERS = "http.response.trailers"


def framing_for(scope: Scope, framing: Framing) -> Framing:
    """What a client understands: HTTP/1.0 has no chunks, and HTTP/2 has frames of its own in place of both."""
    if scope["http_version"] == "1.0" and framing == "chunked":
        return "close"
    if scope["http_version"] == "2" and framing == "close":
        return "chunked"
    return framing


async def begin(
    scope: Scope, send: Send, start: dict[str, Any], *, framing: Framing, length: int, trailers: bool
) -> None:
    """Send an answer's head. `length` is that of the body to come; the framing's own headers are added here."""
    headers: Headers = list(start["headers"])
    cycle = _cycle(send)
    if framing == "content-length":
        headers.append((b"content-length", b"%d" % length))
    elif framing == "close":
        headers.append((b"connection", b"close"))
        if cycle is not None:
            cycle.chunked_encoding = False
            cycle.expected_content_length = length
    await send({**start, "headers": headers, **({"trailers": True} if trailers and _has_trailers(scope) else {})})


async def end(scope: Scope, send: Send, trailers: Headers) -> None:
    """Send an answer's end. Trailers are left out where they cannot be sent: on HTTP/1.0, or under another server."""
    cycle = _cycle(send)
    if trailers and _has_trailers(scope):
        await send({"type": "http.response.body", "body": b""})
        await send({"type": _TRAILERS, "headers": trailers, "more_trailers": False})
        return
    tail = b""
    if trailers and cycle is not None and cycle.chunked_encoding:
        # RFC 9112, 7.1: the last chunk, the trailer section, an empty line.
        tail = b"0\r\n" + b"".join(b"%s: %s\r\n" % field for field in trailers) + b"\r\n"
        cycle.chunked_encoding = False
        cycle.expected_content_length = len(tail)
    await send({"type": "http.response.body", "body": tail})


def _has_trailers(scope: Scope) -> bool:
    return _TRAILERS in scope.get("extensions", {})


def _cycle(send: Send) -> RequestResponseCycle | None:
    cycle = getattr(send, "__self__", None)
    return cycle if isinstance(cycle, RequestResponseCycle) else None
