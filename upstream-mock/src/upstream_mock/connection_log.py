"""The log of connections: when each was opened, how much it carried, and which side closed it."""

import time
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, get_args

from upstream_mock.clock import UnixClock

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


def _no_counts() -> dict[ClosedBy, int]:
    return dict.fromkeys(get_args(ClosedBy), 0)


@dataclass(slots=True)
class ConnectionLog:
    """All connections of the data port. `without_request` counts those that closed and had never carried one.

    The newest `entries` that closed are remembered.
    """

    entries: int = 0
    accepted: int = 0
    closed_by: dict[ClosedBy, int] = field(default_factory=_no_counts)
    without_request: int = 0
    requests: int = 0
    used: int = 0
    most: int = 0
    open: set[ConnectionRecord] = field(default_factory=set)
    _last_number: int = 0
    _clock: UnixClock = field(default_factory=UnixClock.now)
    _closed: deque[ConnectionRecord] = field(init=False)

    def __post_init__(self) -> None:
        self._closed = deque(maxlen=self.entries)

    @property
    def remembered(self) -> int:
        """How many of those that closed are still known."""
        return len(self._closed)

    def opened(self, tls: str | None = None) -> ConnectionRecord:
        """A connection was accepted; `tls` is the version, None without TLS."""
        self.accepted += 1
        self._last_number += 1
        record = ConnectionRecord(self._last_number, time.monotonic_ns(), tls=tls)
        self.open.add(record)
        return record

    def request(self, record: ConnectionRecord) -> None:
        self.requests += 1
        record.carried += 1
        record.carried_since_reset += 1
        if record.carried_since_reset == 1:
            self.used += 1
        if record.carried_since_reset > self.most:  # max() costs as much as all of this
            self.most = record.carried_since_reset

    def closed(self, record: ConnectionRecord, by: ClosedBy) -> None:
        self.open.remove(record)
        record.closed_ns = time.monotonic_ns()
        record.closed_by = by
        self._closed.append(record)
        self.closed_by[by] += 1
        if not record.carried:
            self.without_request += 1

    def reset(self) -> None:
        """Zero the counters; what is open stays open."""
        self.accepted = self.without_request = self.requests = self.used = self.most = 0
        self.closed_by = _no_counts()
        self._closed.clear()
        for record in self.open:
            record.carried_since_reset = 0

    def page(self, since: int) -> dict[str, Any]:
        """At most 1000 connections whose id is above `since`, by id; what was forgotten is missing."""
        known = sorted(
            (record for record in (*self._closed, *self.open) if record.number > since),
            key=lambda record: record.number,
        )
        rows = [self._row(record) for record in islice(known, PAGE)]
        last = known[len(rows) - 1].number if rows else since
        return {"connections": rows, "next": last, "more": len(known) > len(rows)}

    def _row(self, record: ConnectionRecord) -> dict[str, Any]:
        return {
            "id": record.number,
            "opened": self._clock.unix(record.opened_ns),
            "first_byte": self._clock.unix(record.first_byte_ns) if record.first_byte_ns else None,
            "closed": self._clock.unix(record.closed_ns) if record.closed_ns else None,
            "closed_by": record.closed_by,
            "requests": record.carried,
            "bytes_in": record.bytes_in,
            "bytes_out": record.bytes_out,
            "tls": record.tls,
        }

    def as_json(self) -> dict[str, Any]:
        """For /-/stats; the mean is over connections that carried a request."""
        return {
            "accepted": self.accepted,
            "open": len(self.open),
            "closed": sum(self.closed_by.values()),
            "closed_by": {str(by): count for by, count in self.closed_by.items()},
            "without_request": self.without_request,
            "open_without_request": sum(not record.carried for record in self.open),
            "requests_per_connection": {"mean": self.requests / self.used if self.used else 0.0, "max": self.most},
        }
