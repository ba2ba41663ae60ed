"""The watched network backend for httpx's synchronous client: the twin of `clients.httpcore_backend`, for threads."""

from collections.abc import Iterable
from ssl import SSLContext
from time import perf_counter_ns
from typing import Any

import httpcore
import httpx

from poolwatch.monitor import Monitor
from poolwatch.trace import current
from proxy.pattern_runtime.call_in_loop import Teller

SocketOptions = Iterable[Any] | None


class WatchedSyncBackend(httpcore.NetworkBackend):
    """Opens connections by the library's own backend and reports each that is opened and closed."""

    def __init__(self, watch: Monitor, teller: Teller) -> None:
        self._watch = watch
        self._tell = teller.tell
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore.NetworkStream:
        """Open a TCP connection for the request of the running thread."""
        exchange = current.get()
        if exchange is not None:
            self._tell(exchange.connecting)
        try:
            stream = self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        finally:
            if exchange is not None:
                self._tell(exchange.connected)
        self._tell(self._watch.opened)
        return WatchedSyncStream(stream, self._watch, self._tell)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: SocketOptions = None
    ) -> httpcore.NetworkStream:
        """Refuse: an upstream has a URL."""
        raise NotImplementedError("the proxy's upstreams are reached over TCP")


class WatchedSyncStream(httpcore.NetworkStream):
    """One connection. Its first write for a request ends that request's wait; it is counted closed once."""

    def __init__(self, inner: httpcore.NetworkStream, watch: Monitor, tell: Any) -> None:
        self._inner = inner
        self._watch = watch
        self._tell = tell
        self._served: object | None = None
        self._awaits_head = False
        self._opened_ns = perf_counter_ns()
        self._closed = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has come; the first bytes after a request are its answer's head."""
        received = self._inner.read(max_bytes, timeout)
        exchange = current.get()
        if self._awaits_head and exchange is not None:
            self._awaits_head = False
            self._tell(exchange.head_received)
        return received

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it."""
        exchange = current.get()
        if exchange is not None and exchange is not self._served:
            self._tell(exchange.writing, self._served is not None)
            self._served = exchange
            self._awaits_head = True
        self._inner.write(buffer, timeout)
        if exchange is not None:
            self._tell(exchange.sent)

    def close(self) -> None:
        """Close the connection."""
        self._count_closed()
        self._inner.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Begin TLS; a handshake that fails has closed the connection."""
        exchange = current.get()
        if exchange is not None:
            self._tell(exchange.securing)
        try:
            self._inner = self._inner.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            self._count_closed()
            raise
        if exchange is not None:
            self._tell(exchange.secured)
        return self

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows of itself."""
        return self._inner.get_extra_info(info)

    def _count_closed(self) -> None:
        if not self._closed:
            self._closed = True
            self._tell(self._watch.closed, self._opened_ns)


def watch_sync_pool(transport: httpx.HTTPTransport, watch: Monitor, teller: Teller) -> None:
    """Put the watch under a transport's pool, by the same two private names as for the asynchronous one."""
    transport._pool._network_backend = WatchedSyncBackend(watch, teller)
