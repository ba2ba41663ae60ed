"""The pool of anybody's httpx client, seen from inside: no proxy, no shared files, two lines.

    client = httpx.AsyncClient(limits=httpx.Limits(max_connections=10))   # or httpx2.AsyncClient
    watch = observe(client)

From then on `watch.snapshot()` tells, at any moment and for whatever page or log:

    {"max": 10, "total": 10, "active": 10, "idle": 0, "connecting": 0, "waiting": 7,
     "requests": 812, "opened": 10, "reused": 795, "closed": 0, "timeouts": 3,
     "wait_ms": {"count": 805, "mean": 41.2, "p50": 39.8, "p99": 112.2},     # for a connection of the pool
     "hold_ms": {"count": 795, "mean": 101.7},                               # from then to the answer's close
     "holders": [{"request_id", "method", "path", "held_seconds"}, ...]}     # the longest held first

A request that was given up while it waited has waited too. An answer that nobody closes stays among the holders, as
the connection stays in use: that is what a leak looks like. The longest-held one names the code to look at, by its
path, and by its header x-request-id if it has one.

How: the pool's network backend is wrapped, so that connections and the first write of a request are seen, and each
transport's `handle_async_request`, so that its begin and its end are. For HTTP/1.1, where a connection serves one
request at a time; in the loop that the client runs in. It costs some microseconds a request.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from proxy.board import distribution
from proxy.clients.httpcore_backend import WatchedBackend
from proxy.counters import Cell, Cells, Histogram
from proxy.exchange import Exchange, current
from proxy.holders import holders
from proxy.pool import gauges, line
from proxy.watch import PoolWatch

if TYPE_CHECKING:
    import httpx
    import httpx2

Handler = Callable[[Any], Awaitable[Any]]


class Observed:
    """A client under observation."""

    def __init__(self, watch: PoolWatch, pools: list[Any]) -> None:
        self._watch = watch
        self._pools = pools

    def snapshot(self) -> dict[str, Any]:
        """Return the pool as it is now and what was counted since `observe`; times in ms, null of nothing."""
        cells = self._watch.cells
        wait = distribution(cells, Histogram.WAIT)
        holds = cells[Cell.HOLD_COUNT]
        return {
            "max": sum(pool._max_connections for pool in self._pools),
            **gauges(cells),
            "requests": cells[Cell.RECEIVED],
            "opened": cells[Cell.OPENED],
            "reused": cells[Cell.REUSED],
            "closed": cells[Cell.CLOSED],
            "timeouts": cells[Cell.TIMEOUTS],
            "wait_ms": {
                "count": wait.count,
                "mean": wait.mean_ms,
                "p50": wait.percentile_ms(0.5),
                "p99": wait.percentile_ms(0.99),
            },
            "hold_ms": {"count": holds, "mean": cells[Cell.HOLD_NS] / holds / 1e6 if holds else None},
            "holders": holders(self._watch),
        }

    def line(self) -> str:
        """Return the pool in one line, for a log."""
        return line(self._watch.cells)


def observe(client: "httpx.AsyncClient | httpx2.AsyncClient", watch: PoolWatch | None = None) -> Observed:
    """Watch a client's pools (its transport's and those of its mounts). Call it before the first request.

    Raises ValueError for a client that is in use or observed already, or whose transports have no pool.
    """
    watch = watch or PoolWatch(Cells())
    transports = list(_transports(client))
    if not transports:
        raise ValueError("the client has no transport with a pool of httpcore or httpcore2: nothing to observe")
    for transport in transports:
        pool = transport._pool
        if pool.connections or isinstance(pool._network_backend, WatchedBackend):
            raise ValueError("the client is in use or observed already; observe it once, before its first request")
    for transport in transports:
        transport._pool._network_backend = WatchedBackend(watch, transport._pool._network_backend)
        transport.handle_async_request = _watched(transport.handle_async_request, watch)
    return Observed(watch, [transport._pool for transport in transports])


def _transports(client: Any) -> Iterator[Any]:
    """Yield the transports that have a pool. httpx has no public name for them, and none for their pool."""
    seen = {id(each): each for each in (client._transport, *client._mounts.values()) if each is not None}
    return (transport for transport in seen.values() if hasattr(transport, "_pool"))


def _watched(handle: Handler, watch: PoolWatch) -> Handler:
    """Return a transport's handler that follows each request from its begin to the close of its answer."""

    async def handle_async_request(request: Any) -> Any:
        cells = watch.cells
        cells[Cell.RECEIVED] += 1
        request_id = request.headers.get("x-request-id", "")
        exchange = watch.exchange(request.method, request.url.raw_path.partition(b"?")[0], request_id)
        token = current.set(exchange)
        exchange.admitted()
        try:
            response = await handle(request)
        except BaseException as error:
            cells[Cell.TIMEOUTS] += type(error).__name__ == "PoolTimeout"  # the same name in both libraries
            exchange.end()
            raise
        finally:
            current.reset(token)
        exchange.status = response.status_code
        _end_with(response.stream, exchange)
        return response

    return handle_async_request


def _end_with(stream: Any, exchange: Exchange) -> None:
    """End an exchange when its answer is closed, which the client does for every answer that is read to its end."""
    close = stream.aclose

    async def aclose() -> None:
        try:
            await close()
        finally:
            exchange.end()

    stream.aclose = aclose
