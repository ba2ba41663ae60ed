"""The ledger of connections: who came, how much each carried, and who hung up."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

ClosedBy = Literal["client", "client-reset", "server", "server-idle"]


@dataclass(slots=True, eq=False)
class Entry:
    """One connection: how many requests it carried, and since the last reset."""

    carried: int = 0
    carried_since_reset: int = 0


def _nobody() -> dict[ClosedBy, int]:
    return dict.fromkeys(get_args(ClosedBy), 0)


@dataclass(slots=True)
class Ledger:
    """All connections of the data port. `without_request` counts those that closed and had never carried one."""

    accepted: int = 0
    closed_by: dict[ClosedBy, int] = field(default_factory=_nobody)
    without_request: int = 0
    requests: int = 0
    used: int = 0
    most: int = 0
    open: set[Entry] = field(default_factory=set)

    def opened(self) -> Entry:
        """A connection was accepted."""
        self.accepted += 1
        entry = Entry()
        self.open.add(entry)
        return entry

    def request(self, entry: Entry) -> None:
        """It carries one more request."""
        self.requests += 1
        entry.carried += 1
        entry.carried_since_reset += 1
        if entry.carried_since_reset == 1:
            self.used += 1
        self.most = max(self.most, entry.carried_since_reset)

    def closed(self, entry: Entry, by: ClosedBy) -> None:
        """It is gone."""
        self.open.remove(entry)
        self.closed_by[by] += 1
        if not entry.carried:
            self.without_request += 1

    def reset(self) -> None:
        """Zero the counters; what is open stays open."""
        self.accepted = self.without_request = self.requests = self.used = self.most = 0
        self.closed_by = _nobody()
        _forget(self.open)

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


def _forget(entries: Iterable[Entry]) -> None:
    for entry in entries:
        entry.carried_since_reset = 0
