"""What one request asks for: `?fault=NAME ...`, or the header x-upstream-fault."""

import json
from urllib.parse import parse_qsl

from upstream_mock.faults.harness.exchange import Scope, Send

FAULT_HEADER = b"x-upstream-fault"


def asked(scope: Scope) -> tuple[str, str] | None:
    """Where it asks, and for what, if it does; the query goes before the header, an empty one asks for nothing."""
    if b"fault=" in scope["query_string"]:
        for name, text in parse_qsl(scope["query_string"].decode("latin-1")):
            if name == "fault" and text.strip():
                return name, text
    for header, value in scope["headers"]:
        if header == FAULT_HEADER and value.strip():
            return FAULT_HEADER.decode(), value.decode("latin-1")
    return None


async def refuse(send: Send, line: str) -> None:
    """400 and the line, in the form that httpbin's words refuse in."""
    body = json.dumps({"detail": line}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body})
