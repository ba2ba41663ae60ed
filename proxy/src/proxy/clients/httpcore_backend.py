"""A network backend for httpcore and httpcore2 that tells the watch what happens.

It uses their public interface only and costs nothing that could be measured.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from ssl import SSLContext
from typing import Any, Final

import anyio
import httpcore

from poolwatch.counters import Cell
from poolwatch.monitor import Monitor
from poolwatch.trace import current

from .httpcore_http2 import Call, call

SocketOptions = Iterable[Any] | None

placed: Final[ContextVar[Callable[[], None] | None]] = ContextVar("placed", default=None)
"""Called when the request of the running task has its place in the pool: it opens a connection or writes to one."""


class WatchedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections by the library's own backend and reports each that is opened and closed.

    `inner` is httpcore's backend unless another is given (httpcore2's has the same methods). With `max_age_seconds`
    a connection older than this looks to the pool as if the upstream had closed it: it is not used again.
    """

    def __init__(
        self,
        watch: Monitor,
        inner: Any = None,
        *,
        max_age_seconds: float | None = None,
        write_error: type[Exception] = httpcore.WriteError,
    ) -> None:
        self.write_error = write_error
        self.streams: set[WatchedStream] = set()
        self._watch = watch
        self._inner = inner if inner is not None else httpcore.AnyIOBackend()
        self._max_age_seconds = max_age_seconds

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> "WatchedStream":
        """Open a TCP connection for the request of the running task."""
        _tell_placed()
        exchange = current.get()
        if exchange is not None:
            exchange.connecting()
        try:
            stream = await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        finally:
            if exchange is not None:
                exchange.connected()
        return self._watched(stream)

    def _watched(self, stream: Any) -> "WatchedStream":
        return WatchedStream(stream, self._watch, self.streams, self._max_age_seconds)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: SocketOptions = None
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: an upstream has a URL."""
        raise NotImplementedError("the proxy's upstreams are reached over TCP")

    async def sleep(self, seconds: float) -> None:
        """Wait between two tries to connect."""
        await self._inner.sleep(seconds)


class WatchedStream(httpcore.AsyncNetworkStream):
    """One connection. Its first write for a request ends that request's wait; it is counted closed once.

    `busy` is true from that write until who reads the answer sets it back; `requests` counts them. `multiplexed`: it
    speaks HTTP/2, so it carries many at a time and what is read may be anybody's.
    """

    def __init__(
        self,
        inner: Any,
        watch: Monitor,
        streams: "set[WatchedStream]",
        max_age_seconds: float | None,
    ) -> None:
        self.busy = True
        self.requests = 0
        self.multiplexed = False
        self.read_at = 0.0
        self._calls: set[Call] = set()
        self._inner = inner
        self._watch = watch
        self._streams = streams
        self._born = time.monotonic()
        self._max_age_seconds = max_age_seconds
        self._served: object | None = None
        self._opened_ns = watch.opened()
        streams.add(self)

    @property
    def age_seconds(self) -> float:
        """Seconds since it was opened."""
        return time.monotonic() - self._born

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has come. Over HTTP/2 each stream has a time-out of its own instead."""
        if self.multiplexed:
            if (request := call.get()) is not None:
                request.listening = True
            data: bytes = await self._inner.read(max_bytes, None)
            self.read_at = asyncio.get_running_loop().time()
            return data
        data = await self._inner.read(max_bytes, timeout)
        exchange = current.get()
        if exchange is not None and data:
            exchange.head_received()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it."""
        _tell_placed()
        if self.multiplexed:
            await self._write_frames(buffer, timeout)
            return
        exchange = current.get()
        if exchange is None:
            await self._inner.write(buffer, timeout)
            return
        if exchange is not self._served:
            request = call.get()
            if request is not None and request.exchange is exchange:
                request.joined(self)
            exchange.writing(kept=self._served is not None)
            self._served = exchange
            self.requests += 1
            self.busy = True
            await self._inner.write(buffer, timeout)
        else:
            await self._write_more(buffer, timeout)
        exchange.sent()

    async def _write_more(self, buffer: bytes, timeout: float | None) -> None:
        """Write what follows the first piece of a request."""
        await self._inner.write(buffer, timeout)

    async def _write_frames(self, buffer: bytes, timeout: float | None) -> None:
        """Write frames of any stream to their end: half a frame would be the end of all the streams."""
        request, exchange = call.get(), current.get()
        if request is not None and request.exchange is not exchange:
            request = None  # an older one's, in the context that this task began with
        if request is not None and request not in self._calls and request.stream is not self:
            request.joined(self)
            self._calls.add(request)
            self._set_busy()
            if exchange is not None:
                exchange.writing(kept=self.requests > 0)
            self.requests += 1
        if buffer:
            with anyio.CancelScope(shield=True):
                await self._inner.write(buffer, timeout)
        if request is not None:
            request.wrote()
            if exchange is not None and request.sending:
                exchange.sent()

    def left(self, request: "Call") -> None:
        """Note that a request has ended on this connection, well or not."""
        if self.multiplexed:
            self._calls.discard(request)
            self._set_busy()

    def _set_busy(self) -> None:
        busy = bool(self._calls)
        if busy != self.busy and self in self._streams:
            self._watch.cells[Cell.H2_BUSY] += 1 if busy else -1
        self.busy = busy

    async def aclose(self) -> None:
        """Close the connection."""
        self._count_closed()
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "WatchedStream":
        """Begin TLS; a handshake that fails has closed the connection."""
        exchange = current.get()
        try:
            self._inner = await self._inner.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            self._count_closed()
            raise
        finally:
            if exchange is not None:
                exchange.secured()
        tls = self._inner.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() == "h2":
            self.multiplexed = True
            self.read_at = asyncio.get_running_loop().time()
            self._watch.cells[Cell.H2_OPEN] += 1
            self._watch.cells[Cell.H2_BUSY] += 1  # for who opened it
        return self

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows of itself. The pool asks `is_readable` of idle ones: closed by the peer?"""
        if info == "is_readable":
            most = self._max_age_seconds
            return (most is not None and self.age_seconds > most) or self._is_readable()
        return self._inner.get_extra_info(info)

    def _is_readable(self) -> bool:
        return bool(self._inner.get_extra_info("is_readable"))

    def _count_closed(self) -> None:
        if self in self._streams:
            self._streams.discard(self)
            if self.multiplexed:
                self._watch.cells[Cell.H2_OPEN] -= 1
                self._watch.cells[Cell.H2_BUSY] -= self.busy
            self._watch.closed(self._opened_ns)


def _tell_placed() -> None:
    tell = placed.get()
    if tell is not None:
        tell()
