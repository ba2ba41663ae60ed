"""What watches a pool from inside: who waits, who holds a connection, what is opened, reused and closed.

An `Exchange` follows one request from its arrival to its end. What happens under the pool is told by the network
backend (see `clients.httpcore_backend`) or by the client's own hooks, so nothing private of the library is touched: a
request that asks for a new connection, or writes to a kept one, has left the queue.
"""

import os
from time import perf_counter_ns
from typing import Any

from proxy.counters import Cell, Cells, Histogram
from proxy.exchange import Exchange, current
from proxy.journal import Journal
from proxy.ledger import Ledger
from proxy.phases import Phase

__all__ = ["Exchange", "PoolWatch", "current"]


class PoolWatch:
    """The pool of this worker, told in counters.

    `held` are the exchanges that hold a connection, oldest first. `untold` are the phases that the client in use
    can never tell: it says so when it is made, and they are shown as null.
    """

    def __init__(self, counters: Cells, ledger: Ledger | None = None) -> None:
        self.counters = counters
        self.cells = counters.cells
        self.journal = None if ledger is None else Journal(counters, ledger)
        self.held: dict[Any, None] = {}
        self.untold: tuple[Phase, ...] = ()
        self._worker = os.urandom(4).hex()
        self._number = 0

    def exchange(self, method: str = "", path: bytes = b"", request_id: str = "", run: bytes = b"") -> "Exchange":
        """Follow one request from its arrival. Without a request id it is given one when somebody asks."""
        return Exchange(self, method, path, request_id, run)

    def new_request_id(self) -> str:
        """Return an id for a request that came without: one random part for the worker, and a number."""
        self._number += 1
        return f"{self._worker}{self._number:08x}"

    def enter(self) -> None:
        """Have every request that has ended in the histograms and the ledger."""
        if self.journal is not None:
            self.journal.enter()

    def opened(self) -> int:
        """Count a connection that was opened. Returns the time to hand to `closed`."""
        self.cells[Cell.OPENED] += 1
        return perf_counter_ns()

    def closed(self, opened_ns: int | None = None) -> None:
        """Count a connection that was closed, by whichever side; with its age if the time it was opened is known."""
        self.cells[Cell.CLOSED] += 1
        if opened_ns is not None:
            self.counters.add(Histogram.CONNECTION, perf_counter_ns() - opened_ns)
