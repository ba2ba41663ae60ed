"""What forwarding adds to a pool's network backend: a greatest age, the gate's place, HTTP/2 frames that stay whole.

It wraps poolwatch's, which does the watching, and only where a setting asks for it: httpx's default pool goes
without.
"""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from time import monotonic
from typing import Any, Final

import anyio

from .httpcore_http2 import call_of_task

placed: Final[ContextVar[Callable[[], None] | None]] = ContextVar("placed", default=None)
"""Called when the request of the running task has its place in the pool: it opens a connection or writes to one."""


class ForwardingBackend:
    """Opens connections by another backend. One older than `max_age_seconds` is not used again."""

    def __init__(self, inner: Any, max_age_seconds: float | None) -> None:
        self.max_age_seconds = max_age_seconds
        self.sleep = inner.sleep
        self._inner = inner

    async def connect_tcp(self, *args: Any, **options: Any) -> "ForwardingStream":
        """Open a TCP connection for the request of the running task."""
        _report_placed()
        return self._stream(await self._inner.connect_tcp(*args, **options))

    def _stream(self, inner: Any) -> "ForwardingStream":
        return ForwardingStream(inner, self.max_age_seconds)


class ForwardingStream:
    """One connection. `multiplexed`: it speaks HTTP/2; `read_at`: when something came on it, by the loop's clock."""

    def __init__(self, inner: Any, max_age_seconds: float | None) -> None:
        self.multiplexed = False
        self.read_at = 0.0
        self._inner = inner
        self._old_at = None if max_age_seconds is None else monotonic() + max_age_seconds

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has come. Over HTTP/2 each stream has a time-out of its own instead."""
        data: bytes = await self._inner.read(max_bytes, None if self.multiplexed else timeout)
        if self.multiplexed:
            self.read_at = asyncio.get_running_loop().time()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it. Over HTTP/2 not even a cancelled task stops within a frame: it would end all streams."""
        _report_placed()
        call = call_of_task()
        if call is not None and call.stream is not self:
            call.joined(self)
        if not self.multiplexed:
            await self._write(buffer, timeout)
            return
        with anyio.CancelScope(shield=True):
            await self._inner.write(buffer, timeout)
        if call is not None:
            call.wrote()

    async def _write(self, buffer: bytes, timeout: float | None) -> None:
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._inner.aclose()

    async def start_tls(self, *args: Any, **options: Any) -> "ForwardingStream":
        """Begin TLS, which chooses the protocol."""
        self._inner = await self._inner.start_tls(*args, **options)
        tls = self._inner.get_extra_info("ssl_object")
        self.multiplexed = tls is not None and tls.selected_alpn_protocol() == "h2"
        self.read_at = asyncio.get_running_loop().time()
        return self

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows of itself. The pool asks `is_readable` of idle ones: closed by the peer?"""
        if info == "is_readable":
            return (self._old_at is not None and monotonic() > self._old_at) or self._is_readable()
        return self._inner.get_extra_info(info)

    def _is_readable(self) -> bool:
        return bool(self._inner.get_extra_info("is_readable"))


def _report_placed() -> None:
    report = placed.get()
    if report is not None:
        report()
