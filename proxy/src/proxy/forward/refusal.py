"""The server's own refusals: before there is a request, or in place of the app. No anyio here, which handlers import.

uvicorn imports the protocol class before the settings are read, and anyio tries to import sniffio at its own import.
"""

import os
import time
from http import HTTPStatus

from proxy.asgi import Headers, Receive, Scope, Send
from proxy.errors import ProxyError
from proxy.http_date import http_date


def raw_error(error: ProxyError, *, has_body: bool) -> bytes:
    """Return an error as bytes, where the server has no request to answer."""
    body = error.body(os.urandom(8).hex()) if has_body else b""
    line = b"HTTP/1.1 %d %s\r\n" % (error.status, HTTPStatus(error.status).phrase.encode())
    return line + b"".join(b"%s: %s\r\n" % header for header in _headers(error, body)) + b"\r\n" + body


async def overloaded(scope: Scope, _: Receive, send: Send) -> None:
    """Answer 503 and count it: UVICORN_LIMIT_CONCURRENCY is reached."""
    error = ProxyError("server_overloaded")
    body = error.body(scope["state"]["forwarding"].refused(scope, error))
    await send({"type": "http.response.start", "status": error.status, "headers": _headers(error, body)})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body, "more_body": False})


def _headers(error: ProxyError, body: bytes) -> Headers:
    return [*error.headers(body), (b"date", http_date(int(time.time()))), (b"connection", b"close")]
