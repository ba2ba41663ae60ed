"""An upstream that says no before it has the whole body: noticed while the request is still being sent.

httpcore writes a request to its end before it reads. An upstream that answers 413 and reads no more would then stand
against a full socket until the write time-out, and its answer would be lost. So the socket is looked at, without taking
anything out of it, before each piece of a body and now and then while one is stuck.
"""

import asyncio
import os
import re
import socket
from typing import Any, Final

import anyio

POLL_SECONDS: Final = 0.05
_NO: Final = re.compile(rb"HTTP/1\.[01] [345]")
_ENDS: Final = (b"", b"0\r\n\r\n")
"""What ends a body. It is always written: the library counts the request as whole then and keeps the connection."""


def is_refused(stream: Any) -> bool:
    """Say whether a final answer that is no success waits to be read. Nothing is seen through TLS: no, then."""
    if not stream.get_extra_info("is_readable") or stream.get_extra_info("ssl_object") is not None:
        return False
    shown = stream.get_extra_info("socket")
    if shown is None or shown.fileno() < 0:
        return False
    with socket.socket(fileno=os.dup(shown.fileno())) as twin:
        try:
            return _NO.match(twin.recv(10, socket.MSG_PEEK | socket.MSG_DONTWAIT)) is not None
        except OSError:
            return False


async def write_unless_refused(stream: Any, buffer: bytes, timeout: float | None) -> bool:
    """Write a piece of a body. Returns False, with some of it perhaps written, if the upstream wants no more."""
    if buffer in _ENDS:
        await stream.write(buffer, timeout)
        return True
    if is_refused(stream):
        return False
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None
    with anyio.CancelScope() as scope:

        def look() -> None:
            nonlocal timer
            if is_refused(stream):
                scope.cancel()
            else:
                timer = loop.call_later(POLL_SECONDS, look)

        timer = loop.call_later(POLL_SECONDS, look)
        try:
            await stream.write(buffer, timeout)
        finally:
            if timer is not None:
                timer.cancel()
        return True
    return False
