"""The ledger of connections: who came, how much each carried, and who hung up."""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, get_args

from upstream_mock.clock import Clock

PAGE = 1000
"""Connections of one answer."""

ClosedBy = Literal["client", "client-reset", "server", "server-idle"]


@dataclass(slots=True, eq=False)
class ConnectionRecord:
    """One connection: how many requests it carried, and since the last reset; times in ns, 0 for not yet."""

    number: int = 0
    opened_ns: int = 0
    first_byte_ns: int = 0
    closed_ns: int = 0
    closed_by: ClosedBy | None = None
    tls: str | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    carried: int = 0
    carried_since_reset: int = 0


def _nobody() -> dict[ClosedBy, int]:
    return dict.fromkeys(get_args(ClosedBy), 0)


@dataclass(slots=True)
class ConnectionLog:
    """All connections of the data port. `without_request` counts those that closed and had never carried one.

    The newest `entries` that closed are remembered.
    """

    entries: int = 0
    accepted: int = 0
    closed_by: dict[ClosedBy, int] = field(default_factory=_nobody)
    without_request: int = 0
    requests: int = 0
    used: int = 0
    most: int = 0
    open: set[ConnectionRecord] = field(default_factory=set)
    _ever: int = 0
    _clock: Clock = field(default_factory=Clock.now)
    _gone: deque[ConnectionRecord] = field(init=False)

    def __post_init__(self) -> None:
        self._gone = deque(maxlen=self.entries)

    @property
    def remembered(self) -> int:
        """How many of those that closed are still known."""
        return len(self._gone)

    def opened(self, tls: str | None = None) -> ConnectionRecord:
        """A connection was accepted; with TLS, of that version."""
        self.accepted += 1
        self._ever += 1
        entry = ConnectionRecord(self._ever, time.monotonic_ns(), tls=tls)
        self.open.add(entry)
        return entry

    def request(self, entry: ConnectionRecord) -> None:
        """It carries one more request."""
        self.requests += 1
        entry.carried += 1
        entry.carried_since_reset += 1
        if entry.carried_since_reset == 1:
            self.used += 1
        if entry.carried_since_reset > self.most:  # max() costs as much as all of this
            self.most = entry.carried_since_reset

    def closed(self, entry: ConnectionRecord, by: ClosedBy) -> None:
        """It is gone."""
        self.open.remove(entry)
        entry.closed_ns = time.monotonic_ns()
        entry.closed_by = by
        self._gone.append(entry)
        self.closed_by[by] += 1
        if not entry.carried:
            self.without_request += 1

    def reset(self) -> None:
        """Zero the counters; what is open stays open."""
        self.accepted = self.without_request = self.requests = self.used = self.most = 0
        self.closed_by = _nobody()
        self._gone.clear()
        _forget(self.open)

    def page(self, since: int) -> dict[str, object]:
        """At most 1000 connections whose id is above `since`, by id; what was forgotten is missing."""
        known = sorted(
            (entry for entry in (*self._gone, *self.open) if entry.number > since), key=lambda entry: entry.number
        )
        rows = [self._row(entry) for entry in islice(known, PAGE)]
        last = known[len(rows) - 1].number if rows else since
        return {"connections": rows, "next": last, "more": len(known) > len(rows)}

    def _row(self, entry: ConnectionRecord) -> dict[str, object]:
        return {
            "id": entry.number,
            "opened": self._clock.unix(entry.opened_ns),
            "first_byte": self._clock.unix(entry.first_byte_ns) if entry.first_byte_ns else None,
            "closed": self._clock.unix(entry.closed_ns) if entry.closed_ns else None,
            "closed_by": entry.closed_by,
            "requests": entry.carried,
            "bytes_in": entry.bytes_in,
            "bytes_out": entry.bytes_out,
            "tls": entry.tls,
        }

    def as_json(self) -> dict[str, object]:
        """For /-/stats; the mean is over connections that carried a request."""
        return {
            "accepted": self.accepted,
            "open": len(self.open),
            "closed": sum(self.closed_by.values()),
            "closed_by": {str(by): count for by, count in self.closed_by.items()},
            "without_request": self.without_request,
            "open_without_request": sum(not entry.carried for entry in self.open),
            "requests_per_connection": {"mean": self.requests / self.used if self.used else 0.0, "max": self.most},
        }


def _forget(entries: Iterable[ConnectionRecord]) -> None:
    for entry in entries:
        entry.carried_since_reset = 0
