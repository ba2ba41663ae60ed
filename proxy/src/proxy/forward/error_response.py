"""The proxy's own errors as answers, on a connection that is closed where its state is in doubt."""

import os
import time
from typing import Final

from proxy.asgi import Scope, Send, header
from proxy.errors import ProxyError
from proxy.forward.downstream import Downstream
from proxy.forward.headers import request_id_of
from proxy.http_date import http_date

_AND_CLOSE: Final = frozenset({400, 408, 417, 431, 501, 505})
"""Where one side may not know where the next request begins."""


async def send_error(
    error: ProxyError, scope: Scope, send: Send, *, downstream: Downstream | None = None, request_id: str = ""
) -> None:
    """Answer with an error. What is still to come of an upload is thrown away for a moment before the end."""
    request_id = request_id or request_id_of(header(scope["headers"], b"x-request-id"))
    body = error.body(request_id or os.urandom(8).hex())
    headers = [*error.headers(body), (b"date", http_date(int(time.time())))]
    mid_upload = downstream is not None and not downstream.whole
    if mid_upload or error.status in _AND_CLOSE:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send(
        {"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body, "more_body": mid_upload}
    )
    if mid_upload and downstream is not None:
        await downstream.linger()
        await send({"type": "http.response.body", "body": b"", "more_body": False})
