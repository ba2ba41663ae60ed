"""The counters of one worker: 64-bit cells in a file that every worker of the proxy can read.

A worker writes its own file only, so nothing is locked on the way of a request; sums over the workers are made by
whoever reads (see `board`). The file lies in tmpfs or the page cache and is mapped into memory.
"""

import bisect
import enum
import fcntl
import mmap
import os
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from proxy.errors import STATUS_BY_CODE

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
    WAIT_COUNT = enum.auto()
    WAIT_NS = enum.auto()
    HOLD_COUNT = enum.auto()
    HOLD_NS = enum.auto()
    CPU_NS = enum.auto()
    RUN_RECEIVED = enum.auto()
    RUN_ANSWERED = enum.auto()
    RUN_FAILED = enum.auto()
    RUN_ABORTED = enum.auto()
    RUN_ACTIVE_MAX = enum.auto()
    RUN_WAITING_MAX = enum.auto()


ERRORS_AT: Final = len(Cell)
WAIT_HISTOGRAM_AT: Final = ERRORS_AT + len(CODES)
CELLS: Final = WAIT_HISTOGRAM_AT + len(BOUNDS_MS) + 1

_RUN_ID_BYTES: Final = 64
HEADER: Final = struct.Struct(f"qq{_RUN_ID_BYTES}s")
"""pid, number of the run (grows with each new run id this worker sees), run id."""

FILE_BYTES: Final = HEADER.size + 8 * CELLS


class Counters:
    """The cells of this worker. Use as a context manager: while it is open, the worker counts as alive."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / f"worker-{os.getpid()}-{time.time_ns()}.counters"
        self.run_id = b""
        self._run_number = 0
        self._file = self.path.open("w+b")
        fcntl.flock(self._file, fcntl.LOCK_EX)  # released by the kernel when the process ends, however it ends
        self._file.truncate(FILE_BYTES)
        self._map = mmap.mmap(self._file.fileno(), FILE_BYTES)
        self._whole = memoryview(self._map)
        self.cells = self._whole[HEADER.size :].cast("q")
        self._write_header()

    def begin_run(self, run_id: bytes) -> None:
        """Start the run's own figures from zero; called with the first request that carries a new run id."""
        self.run_id = run_id
        self._run_number += 1
        for cell in range(Cell.RUN_RECEIVED, Cell.RUN_WAITING_MAX + 1):
            self.cells[cell] = 0
        self.cells[Cell.RUN_ACTIVE_MAX] = self.cells[Cell.ACTIVE]
        self.cells[Cell.RUN_WAITING_MAX] = self.cells[Cell.WAITING]
        self._write_header()

    def count_error(self, code: str) -> None:
        """Count one outcome by its code."""
        self.cells[ERRORS_AT + CODES.index(code)] += 1

    def add_wait(self, nanoseconds: int) -> None:
        """Put one wait for a connection into the sum and the histogram."""
        cells = self.cells
        cells[Cell.WAIT_COUNT] += 1
        cells[Cell.WAIT_NS] += nanoseconds
        cells[WAIT_HISTOGRAM_AT + bisect.bisect_left(BOUNDS_MS, nanoseconds / 1e6)] += 1

    def close(self) -> None:
        """Unmap and unlock; the file stays, so that what this worker counted is not lost to the sums."""
        self.cells.release()
        self._whole.release()
        self._map.close()
        self._file.close()

    def _write_header(self) -> None:
        HEADER.pack_into(self._map, 0, os.getpid(), self._run_number, self.run_id[:_RUN_ID_BYTES])
