"""The counters of one worker: 64-bit cells in a file that every worker of the proxy can read.

A worker writes its own file only, so nothing is locked on the way of a request; sums over the workers are made by
whoever reads (see `board`). The file lies in tmpfs or the page cache and is mapped into memory.
"""

import enum
import fcntl
import mmap
import os
import struct
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, MutableSequence, Sequence
from pathlib import Path
from typing import Final, cast

from proxy.errors import STATUS_BY_CODE
from proxy.phases import Phase

BOUNDS_MS: Final = [round(0.1 * 10 ** (step / 20), 4) for step in range(121)]
"""Upper bounds of the histograms: 20 to the decade, 0.1 ms to 100 s, so a percentile is off by 12 % at the most."""

CODES: Final[Sequence[str]] = tuple(STATUS_BY_CODE)


class Cell(enum.IntEnum):
    """Where a figure stands. Gauges go up and down, the rest only grows; times are in nanoseconds."""

    RECEIVED = 0
    ANSWERED = enum.auto()
    FAILED = enum.auto()
    ABORTED = enum.auto()
    IN_FLIGHT = enum.auto()  # gauge
    WAITING = enum.auto()  # gauge
    ACTIVE = enum.auto()  # gauge
    CONNECTING = enum.auto()  # gauge
    OPENED = enum.auto()
    CLOSED = enum.auto()
    REUSED = enum.auto()
    TIMEOUTS = enum.auto()
    HOLD_COUNT = enum.auto()
    HOLD_NS = enum.auto()
    CPU_NS = enum.auto()
    ABANDONED = enum.auto()  # gauge: slots of requests that were given up, until the library lets go of them
    THREADS_BUSY = enum.auto()  # gauge
    THREADS_TOTAL = enum.auto()  # gauge
    THREADS_WAITING = enum.auto()  # gauge
    H2_OPEN = enum.auto()  # gauge: connections that speak HTTP/2 and carry many requests
    H2_BUSY = enum.auto()  # gauge: those of them that carry one at least
    LEAKED = enum.auto()  # gauge: slots that requests which are over still hold
    RUN_RECEIVED = enum.auto()
    RUN_ANSWERED = enum.auto()
    RUN_FAILED = enum.auto()
    RUN_ABORTED = enum.auto()
    RUN_ACTIVE_MAX = enum.auto()
    RUN_WAITING_MAX = enum.auto()


class Histogram(enum.IntEnum):
    """What is kept by its distribution: a sum of nanoseconds and the buckets. The phases come first."""

    ADMISSION = Phase.ADMISSION
    POOL_WAIT = Phase.POOL_WAIT
    CONNECT = Phase.CONNECT
    TLS = Phase.TLS
    SEND = Phase.SEND
    UPSTREAM = Phase.UPSTREAM
    NETWORK = Phase.NETWORK
    BODY = Phase.BODY
    PROXY = Phase.PROXY
    OTHER = Phase.OTHER
    TOTAL = enum.auto()  # a request's whole time in the proxy
    REQUEST = enum.auto()  # the same without the wait for admission
    WAIT = enum.auto()  # for a connection, counted when it ends
    CONNECTION = enum.auto()  # how old a connection was when it was closed
    LOOP_LAG = enum.auto()  # by how much the event loop ran late


BUCKETS: Final = len(BOUNDS_MS) + 1
"""The last bucket is for what lies above the last bound."""

ERRORS_AT: Final = len(Cell)
HISTOGRAMS_AT: Final = ERRORS_AT + len(CODES)
HISTOGRAM_CELLS: Final = 1 + BUCKETS
CELLS: Final = HISTOGRAMS_AT + HISTOGRAM_CELLS * len(Histogram)

_RUN_ID_BYTES: Final = 64
HEADER: Final = struct.Struct(f"qq{_RUN_ID_BYTES}s")
"""pid, number of the run (grows with each new run id this worker sees), run id."""

FILE_BYTES: Final = HEADER.size + 8 * CELLS
_BOUNDS_NS: Final = [round(bound * 1e6) for bound in BOUNDS_MS]
_FIRST_BOUND_NS: Final = _BOUNDS_NS[0]
_UP_TO_NS: Final = [*_BOUNDS_NS, (1 << 63) - 1]
_WAIT: Final = int(Histogram.WAIT)


class Cells:
    """The cells in this process's own memory, for whoever watches a pool without workers beside it."""

    def __init__(self, cells: MutableSequence[int] | None = None) -> None:
        self.cells: MutableSequence[int] = [0] * CELLS if cells is None else cells
        self.run_id = b""

    def begin_run(self, run_id: bytes) -> None:
        """Start the run's own figures from zero; called with the first request that carries a new run id."""
        self.run_id = run_id
        for cell in range(Cell.RUN_RECEIVED, Cell.RUN_WAITING_MAX + 1):
            self.cells[cell] = 0
        self.cells[Cell.RUN_ACTIVE_MAX] = self.cells[Cell.ACTIVE]
        self.cells[Cell.RUN_WAITING_MAX] = self.cells[Cell.WAITING]

    def count_error(self, code: str) -> None:
        """Count one outcome by its code."""
        self.cells[ERRORS_AT + CODES.index(code)] += 1

    def add(self, histogram: int, nanoseconds: int) -> None:
        """Put one duration into a histogram."""
        cells = self.cells
        at = HISTOGRAMS_AT + histogram * HISTOGRAM_CELLS
        cells[at] += nanoseconds
        cells[at + 1 + (bisect_left(_BOUNDS_NS, nanoseconds) if nanoseconds > _FIRST_BOUND_NS else 0)] += 1

    def add_wait(self, nanoseconds: int) -> None:
        """Put one wait for a connection into its histogram."""
        self.add(_WAIT, nanoseconds)

    def add_phases(self, finished: Iterable[tuple[Sequence[int], int]]) -> None:
        """Put finished requests, (ns by phase, ns in all) each, into the histograms of their phases, TOTAL and REQUEST.

        A phase that is not known (-1) is left out.
        """
        rows = [(*spent_ns, total_ns, total_ns - spent_ns[0]) for spent_ns, total_ns in finished]
        cells = self.cells
        for histogram, column in enumerate(zip(*rows, strict=True)):
            known = sorted(column)  # it falls into few buckets, and is counted with one step for each
            if known[0] < 0:
                del known[: bisect_left(known, 0)]
            at = HISTOGRAMS_AT + histogram * HISTOGRAM_CELLS
            cells[at] += sum(known)
            counted = 0
            while counted < len(known):
                bucket = bisect_left(_UP_TO_NS, known[counted])
                end = bisect_right(known, _UP_TO_NS[bucket], counted)
                cells[at + 1 + bucket] += end - counted
                counted = end


class Counters(Cells):
    """The cells of this worker in its file. Until it is closed, the worker counts as alive."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / f"worker-{os.getpid()}-{time.time_ns()}.counters"
        self._run_number = 0
        self._file = self.path.open("w+b")
        fcntl.flock(self._file, fcntl.LOCK_EX)  # released by the kernel when the process ends, however it ends
        self._file.truncate(FILE_BYTES)
        self._map = mmap.mmap(self._file.fileno(), FILE_BYTES)
        self._whole = memoryview(self._map)
        self._shared = self._whole[HEADER.size :].cast("q")
        super().__init__(cast("MutableSequence[int]", self._shared))
        self._write_header()

    def begin_run(self, run_id: bytes) -> None:
        """Start the run's own figures from zero and write its id where the other workers see it."""
        super().begin_run(run_id)
        self._run_number += 1
        self._write_header()

    def close(self) -> None:
        """Unmap and unlock; the file stays, so that what this worker counted is not lost to the sums."""
        self._shared.release()
        self._whole.release()
        self._map.close()
        self._file.close()

    def _write_header(self) -> None:
        HEADER.pack_into(self._map, 0, os.getpid(), self._run_number, self.run_id[:_RUN_ID_BYTES])
