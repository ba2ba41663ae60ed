"""The ledger: for each finished request, where its time went, in a bounded ring of records in a file of the worker.

A worker writes its own ring only; any worker reads those of all (see `ledger_reader`). A record is there before the
ring's count says so, and a reader that was overtaken while it read leaves out what may have been written over.

Requests are written some dozens at a time. Writing one takes a fifth of a fast client's request when it is done after
each, and half of that in batches, where code and figures are still in the processor's caches. It makes no difference to
readers: in this worker they call `flush` first, and those of the other workers' files wait for their next sample. A
worker that is killed loses what is pending, TICK_SECONDS of it at the most; its counters are always whole.
"""

import fcntl
import mmap
import os
import struct
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol

from poolwatch.counters import Counters
from poolwatch.phases import Phase, PhaseTimer

TICK_SECONDS: Final = 0.05
"""How long a finished request is pending at the most; whoever keeps the ledger calls `flush` as often."""

_BATCH: Final = 64
"""At 5 us each the event loop is held up for a third of a millisecond."""

SUFFIX: Final = ".ledger4"
"""With the number of the layout: during a rolling restart workers of another layout are not misread."""

HEADER: Final = struct.Struct("<qqq")
"""pid, slots of the ring (one more than it holds), number of records written since the start."""

RECORD: Final = struct.Struct(f"<qqq{len(Phase)}qHBBBB16s64s64s154s")
"""Sequence number, started (ns since 1970), total (ns), phases (ns), status, outcome, code, kept, tries, method,
request id, run, path; texts are cut to what fits. Without a request id none was asked for: the reader makes it up."""

_WRITTEN_AT: Final = 2
_FILES_KEPT: Final = 8


class FinishedRequest(Protocol):
    """A request that has ended, as the ledger keeps it."""

    times: PhaseTimer
    status: int
    outcome: int
    code: str
    kept: bool
    tries: int
    method: str
    given_id: str
    run: bytes
    path: bytes


class Ledger:
    """The finished requests of this worker, the newest `entries` of them."""

    def __init__(self, directory: Path, entries: int, counters: Counters) -> None:
        _prune(directory)
        self._counters = counters
        self._pending: list[FinishedRequest] = []
        self._index_of_code = {"": 0} | {code: index for index, code in enumerate(counters.codes, start=1)}
        self._slots = entries + 1  # one is being written at any time
        self._written = 0
        self._file = (directory / f"worker-{time.time_ns()}-{os.getpid()}{SUFFIX}").open("w+b")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        size = HEADER.size + RECORD.size * self._slots
        self._file.truncate(size)
        if hasattr(os, "posix_fallocate"):  # a full disk is an error now, not a signal in the middle of a request
            os.posix_fallocate(self._file.fileno(), 0, size)
        self._map = mmap.mmap(self._file.fileno(), size, flags=mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0))
        HEADER.pack_into(self._map, 0, os.getpid(), self._slots, 0)
        self._head = memoryview(self._map)[: HEADER.size].cast("q")

    def add(self, request: FinishedRequest) -> None:
        """Take a request that has just ended."""
        self._pending.append(request)
        if len(self._pending) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Write down what is pending: into the histograms of the phases, and into the ring."""
        if self._pending:
            pending, self._pending = self._pending, []
            for request in pending:
                request.times.settle()
            self._counters.add_phases([(request.times.spent_ns, request.times.total_ns) for request in pending])
            self._append(pending, time.time_ns() - time.perf_counter_ns())

    def _append(self, finished: Iterable[FinishedRequest], epoch_ns: int) -> None:
        """Write requests into the ring; `epoch_ns` is what makes their clock's readings ns since 1970."""
        for request in finished:
            at = HEADER.size + RECORD.size * (self._written % self._slots)
            self._written += 1
            times = request.times
            RECORD.pack_into(
                self._map,
                at,
                self._written,
                times.began_ns + epoch_ns,
                times.total_ns,
                *times.spent_ns,
                request.status,
                request.outcome,
                self._index_of_code[request.code],
                request.kept,
                min(request.tries, 255),
                request.method.encode("latin-1", "replace"),
                request.given_id.encode("latin-1", "replace"),
                request.run,
                request.path,
            )
            self._head[_WRITTEN_AT] = self._written

    def close(self) -> None:
        """Unmap and unlock; the file stays readable."""
        self._head.release()
        self._map.close()
        self._file.close()


def _prune(directory: Path) -> None:
    """Remove the oldest rings of workers that are gone, so that restarts do not fill the disk."""
    for path in sorted(directory.glob(f"*{SUFFIX}"))[:-_FILES_KEPT]:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            path.unlink(missing_ok=True)
