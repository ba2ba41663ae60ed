"""The watch under requests: connections of urllib3 that report their opening, use and closing.

urllib3 lets a pool manager name the pools it makes and a pool its connections; nothing private is touched. What it
cannot tell: how long a TLS handshake took apart from connecting, and which request waits for a connection, since
without `pool_block` none ever waits.
"""

from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from poolwatch.network import Connection, Connections
from poolwatch.trace import current

PoolClasses = dict[str, type[HTTPConnectionPool]]


class WatchedAdapter(HTTPAdapter):
    """requests' own adapter, on watched connections."""

    def __init__(self, classes: PoolClasses, **options: Any) -> None:
        self._classes = classes
        super().__init__(**options)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        """Make the pool manager as requests does and name our pools to it."""
        super().init_poolmanager(connections, maxsize, block, **options)
        self.poolmanager.pool_classes_by_scheme = self._classes


class _Watched(HTTPConnection):
    connections: Connections
    _opened: Connection | None = None

    def connect(self) -> None:
        trace, report = current.get(), self.connections.report
        if trace is not None:
            report(trace.connecting)
        try:
            super().connect()
        finally:
            if trace is not None:
                report(trace.connected)
        self._opened = self.connections.opened(self.host, self.port or self.default_port)

    def send(self, data: Any) -> None:
        if self.sock is None and self.auto_open:
            self.connect()
        trace, report = current.get(), self.connections.report
        if trace is not None and self._opened is not None:
            report(self._opened.used_by, trace)
        super().send(data)
        if trace is not None:
            report(trace.sent)

    def getresponse(self) -> Any:
        response = super().getresponse()
        trace = current.get()
        if trace is not None:
            self.connections.report(trace.head_received)
            if reported := response.headers.get("server-timing"):
                trace.times.upstream_headers = [(b"server-timing", reported.encode("latin-1"))]
        return response

    def close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.closed()
        super().close()


class _WatchedPool(HTTPConnectionPool):
    connections: Connections

    def urlopen(self, *arguments: Any, **options: Any) -> Any:
        """Without `pool_block` no request waits for a connection."""
        trace = current.get()
        if trace is not None:
            self.connections.report(trace.grant)
        return super().urlopen(*arguments, **options)


def watched_pools(connections: Connections) -> PoolClasses:
    """Return the pools by scheme whose connections are counted among these."""
    watched = {"connections": connections}
    plain = type("WatchedConnection", (_Watched,), watched)
    secure = type("WatchedTlsConnection", (_Watched, HTTPSConnection), watched)
    return {
        "http": type("WatchedPool", (_WatchedPool,), {"ConnectionCls": plain, **watched}),
        "https": type("WatchedTlsPool", (_WatchedPool, HTTPSConnectionPool), {"ConnectionCls": secure, **watched}),
    }
