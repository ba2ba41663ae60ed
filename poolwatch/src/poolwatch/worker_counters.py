"""The counters of one worker: 64-bit cells in a file that every worker can read.

A worker writes its own file only, so nothing is locked on the way of a request; sums over the workers are made by
whoever reads (see `worker_totals`). The file lies in tmpfs or the page cache and is mapped into memory.
"""

import fcntl
import mmap
import os
import struct
import time
from collections.abc import MutableSequence, Sequence
from pathlib import Path
from typing import Final, cast

from poolwatch.counters import CELLS, Counters

SUFFIX: Final = ".counters7"
"""With the number of the layout: during a rolling restart workers of another layout are not misread."""

_RUN_ID_BYTES: Final = 64
HEADER: Final = struct.Struct(f"qq{_RUN_ID_BYTES}s")
"""pid, number of the run (grows with each new run id this worker sees), run id."""


class WorkerCounters(Counters):
    """The cells of this worker in its file. Until it is closed, the worker counts as alive."""

    def __init__(self, directory: Path, codes: Sequence[str]) -> None:
        self.path = directory / f"worker-{os.getpid()}-{time.time_ns()}{SUFFIX}"
        self._run_number = 0
        self._file = self.path.open("w+b")
        fcntl.flock(self._file, fcntl.LOCK_EX)  # released by the kernel when the process ends, however it ends
        size = HEADER.size + 8 * (CELLS + len(codes))
        self._file.truncate(size)
        self._map = mmap.mmap(self._file.fileno(), size)
        self._whole = memoryview(self._map)
        self._shared = self._whole[HEADER.size :].cast("q")
        super().__init__(cast("MutableSequence[int]", self._shared), codes)
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
