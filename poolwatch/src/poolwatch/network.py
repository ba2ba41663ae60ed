"""Network backends for httpcore and httpcore2 that report what happens, for event loops and for threads.

They have the methods of the libraries' backends and need neither library: what the real backend does stays as it is.
"""

from typing import Any

from poolwatch.connection import Connection, Connections
from poolwatch.trace import current


class WatchedAsyncBackend:
    """Opens connections by the pool's own backend and reports each that is opened and closed."""

    def __init__(self, inner: Any, connections: Connections) -> None:
        self._inner = inner
        self._connections = connections
        self.sleep = inner.sleep

    async def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> "WatchedAsyncStream":
        return await self._connect(self._inner.connect_tcp(host, port, *args, **options), host, port)

    async def connect_unix_socket(self, path: str, *args: Any, **options: Any) -> "WatchedAsyncStream":
        return await self._connect(self._inner.connect_unix_socket(path, *args, **options), path, 0)

    async def _connect(self, opening: Any, host: str, port: int) -> "WatchedAsyncStream":
        trace = current.get()
        if trace is not None:
            trace.connecting()
        try:
            stream = await opening
        finally:
            if trace is not None:
                trace.connected()
        return WatchedAsyncStream(stream, self._connections.opened(host, port))


class WatchedAsyncStream:
    """One connection. Its first write for a request ends that request's wait."""

    def __init__(self, inner: Any, connection: Connection) -> None:
        self._inner = inner
        self._connection = connection

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = await self._inner.read(max_bytes, timeout)
        trace = current.get()
        if data and trace is not None and not self._connection.multiplexed:
            trace.head_received()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        trace = current.get()
        if trace is None:
            await self._inner.write(buffer, timeout)
            return
        self._connection.used_by(trace)
        await self._inner.write(buffer, timeout)
        trace.sent()

    async def aclose(self) -> None:
        self._connection.closed()
        await self._inner.aclose()

    async def start_tls(self, *args: Any, **options: Any) -> "WatchedAsyncStream":
        trace = current.get()
        try:
            self._inner = await self._inner.start_tls(*args, **options)
        except BaseException:
            self._connection.closed()  # a handshake that fails has closed it
            raise
        finally:
            if trace is not None:
                trace.secured()
        _note_http2(self._inner, self._connection)
        return self

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class WatchedBackend:
    """The same for threads: every report is made under one lock."""

    def __init__(self, inner: Any, connections: Connections) -> None:
        self._inner = inner
        self._connections = connections
        self.sleep = inner.sleep

    def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> "WatchedStream":
        return self._connect(lambda: self._inner.connect_tcp(host, port, *args, **options), host, port)

    def connect_unix_socket(self, path: str, *args: Any, **options: Any) -> "WatchedStream":
        return self._connect(lambda: self._inner.connect_unix_socket(path, *args, **options), path, 0)

    def _connect(self, connect: Any, host: str, port: int) -> "WatchedStream":
        trace, lock = current.get(), self._connections.lock
        if trace is not None:
            with lock:
                trace.connecting()
        try:
            stream = connect()
        finally:
            if trace is not None:
                with lock:
                    trace.connected()
        return WatchedStream(stream, self._connections.opened(host, port), lock)


class WatchedStream:
    """One connection, used by one thread at a time."""

    def __init__(self, inner: Any, connection: Connection, lock: Any) -> None:
        self._inner = inner
        self._connection = connection
        self._lock = lock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = self._inner.read(max_bytes, timeout)
        trace = current.get()
        if data and trace is not None and not trace.received and not self._connection.multiplexed:
            with self._lock:
                trace.head_received()
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        trace = current.get()
        if trace is None:
            self._inner.write(buffer, timeout)
            return
        with self._lock:
            self._connection.used_by(trace)
        self._inner.write(buffer, timeout)
        trace.sent()

    def close(self) -> None:
        self._connection.closed()
        self._inner.close()

    def start_tls(self, *args: Any, **options: Any) -> "WatchedStream":
        trace = current.get()
        try:
            self._inner = self._inner.start_tls(*args, **options)
        except BaseException:
            self._connection.closed()
            raise
        if trace is not None:
            trace.secured()
        with self._lock:
            _note_http2(self._inner, self._connection)
        return self

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _note_http2(stream: Any, connection: Connection) -> None:
    tls = stream.get_extra_info("ssl_object")
    if tls is not None and tls.selected_alpn_protocol() == "h2" and not connection.multiplexed:
        connection.speaks_http2()
