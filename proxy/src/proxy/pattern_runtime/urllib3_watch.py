"""The watch under requests: connections of urllib3 that report their opening, use and closing.

urllib3 lets a pool manager name the pools it makes and a pool its connections; nothing private is touched. What it
cannot tell: how long a TLS handshake took apart from connecting, and who waits for a connection, since without
`pool_block` nobody ever waits.
"""

from time import perf_counter_ns
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from poolwatch.monitor import Monitor
from poolwatch.trace import current
from proxy.pattern_runtime.call_in_loop import Teller

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
    watch: Monitor
    teller: Teller
    _opened_ns = 0
    _served: object | None = None

    def connect(self) -> None:
        exchange = current.get()
        if exchange is not None:
            self.teller.tell(exchange.connecting)
        try:
            super().connect()
        finally:
            if exchange is not None:
                self.teller.tell(exchange.connected)
        self._opened_ns = perf_counter_ns()
        self._served = None
        self.teller.tell(self.watch.opened)

    def send(self, data: Any) -> None:
        if self.sock is None and self.auto_open:
            self.connect()
        exchange = current.get()
        if exchange is not None and exchange is not self._served:
            self.teller.tell(exchange.writing, self._served is not None)
            self._served = exchange
        super().send(data)
        if exchange is not None:
            self.teller.tell(exchange.sent)

    def getresponse(self) -> Any:
        response = super().getresponse()
        exchange = current.get()
        if exchange is not None:
            self.teller.tell(exchange.head_received)
        return response

    def close(self) -> None:
        opened_ns, self._opened_ns = self._opened_ns, 0
        if opened_ns:
            self.teller.tell(self.watch.closed, opened_ns)
        super().close()


class _WatchedPool(HTTPConnectionPool):
    teller: Teller

    def urlopen(self, *arguments: Any, **options: Any) -> Any:
        """Without `pool_block` no request waits for a connection."""
        exchange = current.get()
        if exchange is not None:
            self.teller.tell(exchange.grant)
        return super().urlopen(*arguments, **options)


def watched_pools(watch: Monitor, teller: Teller) -> PoolClasses:
    """Return the pools by scheme whose connections report to a watch."""
    attributes = {"watch": watch, "teller": teller}
    plain = type("WatchedConnection", (_Watched,), attributes)
    secure = type("WatchedTlsConnection", (_Watched, HTTPSConnection), attributes)
    return {
        "http": type("WatchedPool", (_WatchedPool,), {"ConnectionCls": plain, "teller": teller}),
        "https": type(
            "WatchedTlsPool", (_WatchedPool, HTTPSConnectionPool), {"ConnectionCls": secure, "teller": teller}
        ),
    }
