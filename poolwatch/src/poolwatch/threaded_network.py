"""The network backend for pools that threads use: the twin of the one for event loops in `network`."""

from collections.abc import Callable
from typing import Any

from poolwatch.network import Connection, Connections, holds_request
from poolwatch.trace import current


class WatchedBackend:
    """Opens connections by the pool's own backend; whatever it reports goes through `Connections.report`."""

    def __init__(self, inner: Any, connections: Connections) -> None:
        self._inner = inner
        self._connections = connections
        self.sleep = inner.sleep

    def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> "WatchedStream":
        return self._connect(lambda: self._inner.connect_tcp(host, port, *args, **options), host, port)

    def connect_unix_socket(self, path: str, *args: Any, **options: Any) -> "WatchedStream":
        return self._connect(lambda: self._inner.connect_unix_socket(path, *args, **options), path, 0)

    def _connect(self, connect: Any, host: str, port: int) -> "WatchedStream":
        trace, report = current.get(), self._connections.report
        if trace is not None:
            report(trace.connecting)
        try:
            stream = connect()
        finally:
            if trace is not None:
                report(trace.connected)
        return WatchedStream(stream, self._connections.opened(host, port), report)


class WatchedStream:
    """One connection, used by one thread at a time."""

    def __init__(self, inner: Any, connection: Connection, report: Any) -> None:
        self._inner = inner
        # not by a method of its own: a pool asks each idle connection for every request
        self.get_extra_info: Callable[[str], Any] = inner.get_extra_info
        self._connection = connection
        self._report = report
        self._awaits_head = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = self._inner.read(max_bytes, timeout)
        if not data:
            self._connection.ended = True
        trace = current.get()
        if data and trace is not None and self._awaits_head and not self._connection.multiplexed:
            self._awaits_head = False
            self._report(trace.head_received)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        trace = current.get()
        if trace is None:
            self._inner.write(buffer, timeout)
            return
        self._report(self._connection.used_by, trace)
        self._awaits_head = True
        self._inner.write(buffer, timeout)
        if not self._connection.multiplexed or holds_request(buffer):
            self._report(trace.sent)

    def close(self) -> None:
        self._connection.closing(self._inner)
        self._inner.close()

    def start_tls(self, *args: Any, **options: Any) -> "WatchedStream":
        trace = current.get()
        try:
            self._inner = self._inner.start_tls(*args, **options)
        except BaseException:
            self._connection.closed()
            raise
        finally:
            if trace is not None:
                self._report(trace.secured)
        self.get_extra_info = self._inner.get_extra_info
        self._connection.secured(self.get_extra_info("ssl_object"))
        return self
