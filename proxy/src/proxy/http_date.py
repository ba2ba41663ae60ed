"""The Date header and its format, made once a second (RFC 9110 sections 6.6.1 and 5.6.7)."""

import time
from email.utils import formatdate
from functools import lru_cache

from proxy.asgi import Message, Send, header


@lru_cache(2)
def http_date(seconds: int) -> bytes:
    """Return a Unix time as a Date header has it."""
    return formatdate(seconds, usegmt=True).encode()


def dated(send: Send) -> Send:
    """Add a Date to an answer that has none."""

    async def send_dated(message: Message) -> None:
        if message["type"] == "http.response.start" and not header(message.get("headers", ()), b"date"):
            message["headers"] = [*message.get("headers", ()), (b"date", http_date(int(time.time())))]
        await send(message)

    return send_dated
