"""The connections of a watched pool, and network backends for httpcore and httpcore2 that report them.

The backends have the methods of the libraries' own and need neither library: what the real backend does stays as it is.
One is for event loops, one for threads.
"""

from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, Final

from poolwatch.counters import Cell
from poolwatch.histogram import Durations
from poolwatch.monitor import Monitor
from poolwatch.trace import RequestTrace, current

Report = Callable[..., None]
"""Calls its first argument with the others: at once, under a lock, or soon in the thread that writes the counters."""

Origin = tuple[str, int]

_IDLE_NS: Final = 100_000_000
"""A connection that was not used for longer is closed for its age; before that, because there are too many."""

_REQUEST_FRAMES: Final = (0, 1)
"""DATA and HEADERS, RFC 9113 section 6."""


def at_once(event: Callable[..., object], *arguments: object) -> None:
    """Report where one thread does everything."""
    event(*arguments)


class Connections:
    """The connections of a client: `open` those there are, `durations` how long the closed ones lived, by origin."""

    def __init__(self, monitor: Monitor, report: Report = at_once) -> None:
        self.monitor = monitor
        self.report = report
        self.open: dict[Connection, None] = {}
        self.durations: dict[Origin, Durations] = {}

    def opened(self, host: str, port: int) -> "Connection":
        """Count a new connection."""
        connection = Connection(self, (host, port))
        self.report(self._add, connection)
        return connection

    def entries(self) -> list[dict[str, object]]:
        """Return state, age_seconds and requests of each connection that is open."""
        return [
            {
                "state": "active" if each.active else "idle",
                "age_seconds": round(each.age_seconds, 3),
                "requests": each.requests,
            }
            for each in list(self.open)
        ]

    def _add(self, connection: "Connection") -> None:
        self.open[connection] = None
        self.monitor.opened()


class Connection:
    """One connection. `active` requests use it now: more than one only with HTTP/2 (`multiplexed`).

    `ended`: its other end has closed it.
    """

    def __init__(self, connections: Connections, origin: Origin) -> None:
        self.origin = origin
        self.requests = 0
        self.active = 0
        self.multiplexed = False
        self.ended = False
        self._all = connections
        self._opened_ns = self._left_ns = perf_counter_ns()

    @property
    def age_seconds(self) -> float:
        """Seconds since it was opened."""
        return (perf_counter_ns() - self._opened_ns) / 1e9

    @property
    def idle_seconds(self) -> float:
        """Seconds since a request gave it back; 0 while one uses it."""
        return 0.0 if self.active else (perf_counter_ns() - self._left_ns) / 1e9

    def used_by(self, trace: RequestTrace) -> None:
        """Note that a request begins on it; for one that is over, or has begun already, nothing happens."""
        if trace.carrier is not None:
            return
        if not trace.writing(self.requests > 0):
            return
        trace.carrier = self
        self.requests += 1
        self.active += 1
        if self.multiplexed and self.active == 1:
            self._all.monitor.cells[Cell.H2_BUSY] += 1

    def left(self, _: RequestTrace, /) -> None:
        """Note that a request has given it back."""
        self.active -= 1
        self._left_ns = perf_counter_ns()
        if self.multiplexed and self.active == 0 and self in self._all.open:
            self._all.monitor.cells[Cell.H2_BUSY] -= 1

    def secured(self, tls: Any) -> None:
        """Note which protocol the TLS handshake has chosen."""
        if tls is not None and tls.selected_alpn_protocol() == "h2" and not self.multiplexed:
            self.multiplexed = True
            self._all.report(self._count_http2)

    def closing(self, stream: Any) -> None:
        """Note that it is closed by our end; an idle one that can be read was closed by the other end."""
        if not self.active and stream.get_extra_info("is_readable"):
            self.ended = True
        self.closed()

    def closed(self) -> None:
        """Note that it is closed; once is counted."""
        self._all.report(self._remove)

    def _count_http2(self) -> None:
        self._all.monitor.cells[Cell.H2_OPEN] += 1

    def _remove(self) -> None:
        if self not in self._all.open:
            return
        del self._all.open[self]
        cells = self._all.monitor.cells
        if self.multiplexed:
            cells[Cell.H2_OPEN] -= 1
            cells[Cell.H2_BUSY] -= self.active > 0
        if self.ended:
            cells[Cell.CLOSED_ENDED] += 1
        elif not self.active and perf_counter_ns() - self._left_ns > _IDLE_NS:
            cells[Cell.CLOSED_IDLE] += 1
        self._all.monitor.closed(self._opened_ns)
        self._all.durations.setdefault(self.origin, Durations()).add(self.age_seconds)


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
        connection = self._connections.opened(host, port)
        try:
            stream.get_extra_info("ssl_object")
        except AttributeError:
            # reset as it opened: anyio's socket is None, and httpcore, which asks next, never closes it
            connection.closed()
            raise
        return WatchedAsyncStream(stream, connection)


class WatchedAsyncStream:
    """One connection. Its first write for a request ends that request's wait.

    Over HTTP/2 the task of a request also writes what belongs to none (windows, settings, the reset of a stream), and
    what it reads may be any request's: sent is what holds a frame of a request; its reader reports the head.
    """

    def __init__(self, inner: Any, connection: Connection) -> None:
        self._inner = inner
        # not by a method of its own: a pool asks each idle connection for every request
        self.get_extra_info: Callable[[str], Any] = inner.get_extra_info
        self._connection = connection

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = await self._inner.read(max_bytes, timeout)
        trace = current.get()
        if not data:
            self._connection.ended = True
        elif trace is not None and not self._connection.multiplexed:
            trace.head_received()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        trace = current.get()
        if trace is None:
            await self._inner.write(buffer, timeout)
            return
        connection = self._connection
        first = trace.carrier is not connection
        if first:
            connection.used_by(trace)
        await self._inner.write(buffer, timeout)
        if first or not connection.multiplexed or holds_request(buffer):
            trace.sent()

    async def aclose(self) -> None:
        self._connection.closing(self._inner)
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
        self.get_extra_info = self._inner.get_extra_info
        self._connection.secured(self.get_extra_info("ssl_object"))
        return self


def holds_request(frames: bytes) -> bool:
    """Say whether whole HTTP/2 frames hold headers or data."""
    at = 0
    while at + 9 <= len(frames):
        if frames[at + 3] in _REQUEST_FRAMES:
            return True
        at += 9 + int.from_bytes(frames[at : at + 3], "big")
    return False
