"""An open load: requests arrive at a rate, whatever became of those before."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from lab.user_kind import OpenLoad
from loadtest.users.kind import Behaviour, Client, Connection, Group, Kind

LATE_SECONDS = 0.01
"""An arrival that starts later than this after its time is counted as late."""


@dataclass(frozen=True)
class Open(OpenLoad, Kind):
    """The users share the rate: each has a part of the arrivals, and none waits for an answer.

    The response time counts from the moment at which the request was to start. One that finds `in_flight` requests
    under way is dropped, and counted. More or fewer users than the run was started with mean more or fewer arrivals.
    """

    example: ClassVar[str] = "open(200/s, constant)"
    exact_users: ClassVar[bool] = True

    def behaviours(self, group: Group) -> Callable[[Client], Behaviour]:
        in_flight = max(1, round(self.in_flight / group.processes))
        connections, users = _Connections(in_flight), iter(range(1_000_000))
        period = group.users / self.rate

        def make(client: Client) -> Behaviour:
            first = next(users) * group.processes / self.rate % period
            return _OpenUser(client, connections, period, first if self.arrivals == "constant" else None)

        return make


class _Connections:
    """The connections of a process: one a request in flight; those that are idle are used again, the last one first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._idle: list[Connection] = []
        self._busy = 0

    def take(self, client: Client) -> Connection | None:
        """Return a connection, None if all are busy."""
        if self._busy >= self._most:
            return None
        self._busy += 1
        return self._idle.pop() if self._idle else client.connect()

    def give_back(self, connection: Connection) -> None:
        self._busy -= 1
        self._idle.append(connection)


class _OpenUser(Behaviour):
    """A stream of arrivals; `first_seconds` after its start with a constant period, None: at random, Poisson."""

    def __init__(
        self, client: Client, connections: _Connections, period_seconds: float, first_seconds: float | None
    ) -> None:
        super().__init__(client)
        self._connections = connections
        self._period_seconds = period_seconds
        self._is_constant = first_seconds is not None
        self._due = time.perf_counter() + (self._gap() if first_seconds is None else first_seconds)

    def act(self) -> None:
        """Start what is due."""
        while self._due <= time.perf_counter():
            due = self._next()
            connection = self._connections.take(self.client)
            if connection is None:
                self.client.count("dropped")
                continue
            self.client.count("started")
            if time.perf_counter() - due > LATE_SECONDS:
                self.client.count("late")
            self._start(connection, due)

    def wait(self) -> float:
        return max(0.0, self._due - time.perf_counter())

    def stop(self) -> None:
        """Start what was due before."""
        self.act()

    def _start(self, connection: Connection, due: float) -> None:
        def send() -> None:
            try:
                connection.send(since=due)
            finally:
                self._connections.give_back(connection)

        self.client.spawn(send)

    def _next(self) -> float:
        """Return when the next arrival is due, and move on to the one after it."""
        due = self._due
        self._due += self._period_seconds if self._is_constant else self._gap()
        self.client.count("scheduled")
        return due

    def _gap(self) -> float:
        return random.expovariate(1 / self._period_seconds)
