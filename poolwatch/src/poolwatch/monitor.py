"""What happens in one pool: the traces that hold a connection, the connections opened and closed, the counters."""

import os
from time import perf_counter_ns
from types import TracebackType
from typing import Final, Protocol

from poolwatch.counters import Cell, Counters, Histogram
from poolwatch.phases import Phase
from poolwatch.trace import RequestTrace, current

_RECEIVED: Final = int(Cell.RECEIVED)
_RUN_RECEIVED: Final = int(Cell.RUN_RECEIVED)
_RUN_UNTRIED: Final = int(Cell.RUN_UNTRIED)
_RUN_OF_OUTCOME: Final = int(Cell.RUN_ANSWERED) - int(Cell.ANSWERED)
_IN_FLIGHT: Final = int(Cell.IN_FLIGHT)


class FinishedRequests(Protocol):
    """What takes the requests that are over, and may keep them for a moment."""

    def add(self, trace: RequestTrace, /) -> None:
        """Take a request that has just ended."""

    def flush(self) -> None:
        """Write down what was kept."""


class Monitor:
    """One pool, or all of one process.

    `held` has the traces that hold a connection, oldest first. `always_unknown` are the phases that the client in use
    can never tell: it sets them when it is made, and they are shown as null.
    """

    def __init__(
        self,
        counters: Counters,
        finished: FinishedRequests | None = None,
        held: dict[RequestTrace, None] | None = None,
    ) -> None:
        self.counters = counters
        self.cells = counters.cells
        self.held: dict[RequestTrace, None] = {} if held is None else held
        self.always_unknown: tuple[Phase, ...] = ()
        self._finished = finished
        self._on_end = None if finished is None else finished.add
        self._prefix = os.urandom(4).hex()
        self._number = 0

    def trace(self, method: str = "", path: bytes = b"", request_id: str = "", subject: object = None) -> RequestTrace:
        """Follow one request from now on. Without a request id it gets one when it is first read."""
        return RequestTrace(
            self.counters,
            self.held,
            self._on_end,
            self.new_request_id,
            self.always_unknown,
            method,
            path,
            request_id,
            subject,
        )

    def new_request_id(self) -> str:
        """Return an id for a request that came without: a random part for the process, and a number."""
        self._number += 1
        return f"{self._prefix}{self._number:08x}"

    def flush(self) -> None:
        """Have every request that has ended written down, and every wait."""
        self.counters.flush()
        if self._finished is not None:
            self._finished.flush()

    def opened(self) -> int:
        """Count a connection that was opened. Returns the time to hand to `closed`."""
        self.cells[Cell.OPENED] += 1
        return perf_counter_ns()

    def closed(self, opened_ns: int | None = None) -> None:
        """Count a connection that was closed, by whichever side; with its age if the time it was opened is known."""
        self.cells[Cell.CLOSED] += 1
        if opened_ns is not None:
            self.counters.add(Histogram.CONNECTION, perf_counter_ns() - opened_ns)


class CountedRequest:
    """Counts a request: once as received, and at the end by its trace's outcome; both also for its run, if it has one.

    A context manager around all of the request. Within it the trace is the task's current one; leaving it ends the
    trace unless `ends` is false: then something else does, later.
    """

    __slots__ = ("_counters", "_ends", "_of_run", "_token", "_trace")

    def __init__(self, counters: Counters, trace: RequestTrace, run_id: bytes, *, ends: bool = True) -> None:
        if run_id and run_id != counters.run_id:
            counters.begin_run(run_id)
        trace.run = run_id
        trace.outcome = Cell.ABORTED
        self._counters = counters
        self._trace = trace
        self._of_run = bool(run_id)
        self._ends = ends

    def __enter__(self) -> None:
        cells = self._counters.cells
        cells[_RECEIVED] += 1
        if self._of_run:
            cells[_RUN_RECEIVED] += 1
        cells[_IN_FLIGHT] += 1
        self._token = current.set(self._trace)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        current.reset(self._token)
        if self._ends:
            self._trace.end()
        cells = self._counters.cells
        outcome = self._trace.outcome
        cells[_IN_FLIGHT] -= 1
        cells[outcome] += 1
        if self._of_run:
            cells[outcome + _RUN_OF_OUTCOME] += 1
            cells[_RUN_UNTRIED] += self._trace.tries == 0
