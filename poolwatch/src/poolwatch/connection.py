"""One connection of a watched pool: who uses it, how often, how long it lived."""

from contextlib import AbstractContextManager
from time import perf_counter_ns
from typing import Final

from poolwatch.counters import Cell
from poolwatch.monitor import Monitor
from poolwatch.trace import RequestTrace

DURATION_BOUNDS_SECONDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""OpenTelemetry's advice for `http.client.connection.duration`."""

Origin = tuple[str, int]


class Durations:
    """How long the connections to one server lived: `counts` by DURATION_BOUNDS_SECONDS, the last for longer ones."""

    def __init__(self) -> None:
        self.counts = [0] * (len(DURATION_BOUNDS_SECONDS) + 1)
        self.sum_seconds = 0.0

    def add(self, seconds: float) -> None:
        self.sum_seconds += seconds
        self.counts[sum(seconds > bound for bound in DURATION_BOUNDS_SECONDS)] += 1


class Connections:
    """The connections of a watched client, open ones by themselves and closed ones by how long they lived."""

    def __init__(self, monitor: Monitor, lock: AbstractContextManager[object]) -> None:
        self.monitor = monitor
        self.lock = lock
        self.open: dict[Connection, None] = {}
        self.durations: dict[Origin, Durations] = {}

    def opened(self, host: str, port: int) -> "Connection":
        """Count a new connection."""
        with self.lock:
            connection = Connection(self, host, port)
            self.open[connection] = None
            return connection


class Connection:
    """One connection. `active` requests use it now: more than one only with HTTP/2 (`multiplexed`)."""

    def __init__(self, connections: Connections, host: str, port: int) -> None:
        self.origin = (host, port)
        self.requests = 0
        self.active = 0
        self.multiplexed = False
        self._all = connections
        self._last: RequestTrace | None = None
        self._opened_ns = connections.monitor.opened()

    @property
    def age_seconds(self) -> float:
        """Seconds since it was opened."""
        return (perf_counter_ns() - self._opened_ns) / 1e9

    def speaks_http2(self) -> None:
        """Note that many requests may use it at a time."""
        self.multiplexed = True
        self._all.monitor.cells[Cell.H2_OPEN] += 1

    def used_by(self, trace: RequestTrace) -> None:
        """Note that a request begins on it; called again for the same one, nothing happens."""
        if trace.carrier is not None or trace is self._last:
            return
        trace.writing(self.requests > 0)
        trace.carrier = self
        self._last = trace
        self.requests += 1
        self.active += 1
        if self.multiplexed and self.active == 1:
            self._all.monitor.cells[Cell.H2_BUSY] += 1

    def left(self, _: RequestTrace, /) -> None:
        """Note that a request has given it back."""
        self.active -= 1
        if self.multiplexed and self.active == 0 and self in self._all.open:
            self._all.monitor.cells[Cell.H2_BUSY] -= 1

    def closed(self) -> None:
        """Note that it is closed; once is counted."""
        with self._all.lock:
            if self not in self._all.open:
                return
            del self._all.open[self]
            cells = self._all.monitor.cells
            if self.multiplexed:
                cells[Cell.H2_OPEN] -= 1
                cells[Cell.H2_BUSY] -= self.active > 0
            self._all.monitor.closed(self._opened_ns)
            self._all.durations.setdefault(self.origin, Durations()).add(self.age_seconds)
