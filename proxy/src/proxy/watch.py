"""What watches a pool from inside: who waits, who holds a connection, what is opened, reused and closed.

An `Exchange` follows one request. The network backend under the pool (see `clients.httpcore_backend`) tells it what
happens, so nothing private of the library is touched: a request that asks for a new connection, or writes to a kept
one, has left the queue.
"""

import time
from contextvars import ContextVar
from typing import Final

from proxy.counters import Cell, Counters

current: Final[ContextVar["Exchange | None"]] = ContextVar("exchange", default=None)
"""The exchange that the running task is part of."""


class PoolWatch:
    """The pool of this worker, told in counters."""

    def __init__(self, counters: Counters) -> None:
        self.counters = counters
        self.cells = counters.cells

    def exchange(self) -> "Exchange":
        """Follow one request from the moment it asks the pool for a connection."""
        return Exchange(self.counters)

    def opened(self) -> None:
        """Count a connection that was opened."""
        self.cells[Cell.OPENED] += 1

    def closed(self) -> None:
        """Count a connection that was closed, by whichever side."""
        self.cells[Cell.CLOSED] += 1


class Exchange:
    """One request on its way through the pool: waiting, then holding a connection, then done.

    Use as a context manager around everything from the request's start to the answer's close.
    """

    __slots__ = ("_began_ns", "_cells", "_connecting", "_counters", "_granted_ns", "_token")

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._cells = counters.cells
        self._began_ns = 0
        self._granted_ns = 0
        self._connecting = False

    def __enter__(self) -> "Exchange":
        cells = self._cells
        cells[Cell.WAITING] += 1
        if cells[Cell.WAITING] > cells[Cell.RUN_WAITING_MAX]:
            cells[Cell.RUN_WAITING_MAX] = cells[Cell.WAITING]
        self._token = current.set(self)
        self._began_ns = time.perf_counter_ns()
        return self

    def connecting(self) -> None:
        """Note that a connection is being opened for this request."""
        self._grant()
        self._connecting = True
        self._cells[Cell.CONNECTING] += 1

    def connected(self) -> None:
        """Note that opening the connection ended, well or not."""
        if self._connecting:
            self._connecting = False
            self._cells[Cell.CONNECTING] -= 1

    def secured(self) -> None:
        """Note that the TLS handshake ended."""

    def head_received(self) -> None:
        """Note that the first bytes of the answer are there."""

    def writing(self, kept: bool) -> None:
        """Note that the request goes out; `kept` says that the connection has served another before."""
        if self._granted_ns == 0:
            self._grant()
            if kept:
                self._cells[Cell.REUSED] += 1

    def _grant(self) -> None:
        if self._granted_ns == 0:
            self._granted_ns = time.perf_counter_ns()
            cells = self._cells
            cells[Cell.WAITING] -= 1
            cells[Cell.ACTIVE] += 1
            if cells[Cell.ACTIVE] > cells[Cell.RUN_ACTIVE_MAX]:
                cells[Cell.RUN_ACTIVE_MAX] = cells[Cell.ACTIVE]
            self._counters.add_wait(self._granted_ns - self._began_ns)

    def __exit__(self, *_: object) -> None:
        current.reset(self._token)
        self.connected()
        cells = self._cells
        now = time.perf_counter_ns()
        if self._granted_ns:
            cells[Cell.ACTIVE] -= 1
            cells[Cell.HOLD_COUNT] += 1
            cells[Cell.HOLD_NS] += now - self._granted_ns
        else:  # it gave up, or its caller left, before its turn came
            cells[Cell.WAITING] -= 1
            self._counters.add_wait(now - self._began_ns)
