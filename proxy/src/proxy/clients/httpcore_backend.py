"""A network backend for httpcore that tells the watch what happens: public API, and no cost that could be measured."""

from collections.abc import Iterable
from ssl import SSLContext
from typing import Any

import httpcore

from proxy.watch import PoolWatch, current

SocketOptions = Iterable[Any] | None


class WatchedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections by the library's own backend and reports each that is opened and closed."""

    def __init__(self, watch: PoolWatch) -> None:
        self._watch = watch
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore.AsyncNetworkStream:
        """Open a TCP connection for the request of the running task."""
        exchange = current.get()
        if exchange is not None:
            exchange.connecting()
        try:
            stream = await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        finally:
            if exchange is not None:
                exchange.connected()
        self._watch.opened()
        return WatchedStream(stream, self._watch)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: SocketOptions = None
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: an upstream has a URL."""
        raise NotImplementedError("the proxy's upstreams are reached over TCP")

    async def sleep(self, seconds: float) -> None:
        """Wait between two tries to connect."""
        await self._inner.sleep(seconds)


class WatchedStream(httpcore.AsyncNetworkStream):
    """One connection. Its first write for a request ends that request's wait; it is counted closed once."""

    __slots__ = ("_closed", "_inner", "_served", "_watch")

    def __init__(self, inner: httpcore.AsyncNetworkStream, watch: PoolWatch) -> None:
        self._inner = inner
        self._watch = watch
        self._served: object | None = None
        self._closed = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has come."""
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it."""
        exchange = current.get()
        if exchange is not None and exchange is not self._served:
            exchange.writing(kept=self._served is not None)
            self._served = exchange
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        if not self._closed:
            self._closed = True
            self._watch.closed()
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Begin TLS; a handshake that fails has closed the connection."""
        try:
            self._inner = await self._inner.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            if not self._closed:
                self._closed = True
                self._watch.closed()
            raise
        return self

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows of itself."""
        return self._inner.get_extra_info(info)
