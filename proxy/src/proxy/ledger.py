"""The ledger: for each finished request, where its time went, in a bounded ring of records in a file of the worker.

A worker writes its own ring only; any worker reads those of all and merges them by time, so an answer does not depend
on who gives it. A record is there before the ring's count says so, and a reader that was overtaken while it read leaves
out what may have been written over and says how many it missed.
"""

import fcntl
import mmap
import os
import struct
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy.counters import CODES
from proxy.phases import Phase

if TYPE_CHECKING:
    from proxy.exchange import Exchange

HEADER: Final = struct.Struct("<qqq")
"""pid, slots of the ring (one more than it holds), number of records written since the start."""

RECORD: Final = struct.Struct(f"<qqq{len(Phase)}qHBBB16s64s64s155s")
"""Sequence number, started (ns since 1970), total (ns), phases (ns), status, outcome, code, kept, method, request id,
run, path; texts are cut to what fits. Without a request id nobody has asked for it, and the reader makes it up."""

_WRITTEN_AT: Final = 2
_FILES_KEPT: Final = 8
_INDEX_OF_CODE: Final = {"": 0} | {code: index for index, code in enumerate(CODES, start=1)}


class Ledger:
    """The finished requests of this worker, the newest `entries` of them."""

    def __init__(self, directory: Path, entries: int) -> None:
        _prune(directory)
        self._slots = entries + 1  # one is being written at any time
        self._written = 0
        self._file = (directory / f"worker-{time.time_ns()}-{os.getpid()}.ledger").open("w+b")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        size = HEADER.size + RECORD.size * self._slots
        self._file.truncate(size)
        if hasattr(os, "posix_fallocate"):  # a full disk is an error now, not a signal in the middle of a request
            os.posix_fallocate(self._file.fileno(), 0, size)
        self._map = mmap.mmap(self._file.fileno(), size, flags=mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0))
        HEADER.pack_into(self._map, 0, os.getpid(), self._slots, 0)
        self._head = memoryview(self._map)[: HEADER.size].cast("q")

    def append(self, finished: Iterable["Exchange"], epoch_ns: int) -> None:
        """Write down requests that have ended; `epoch_ns` is what makes their clock's readings ns since 1970."""
        for exchange in finished:
            at = HEADER.size + RECORD.size * (self._written % self._slots)
            self._written += 1
            RECORD.pack_into(
                self._map,
                at,
                self._written,
                exchange.began_ns + epoch_ns,
                exchange.total_ns,
                *exchange.spent_ns,
                exchange.status,
                exchange.outcome,
                _INDEX_OF_CODE[exchange.code],
                exchange.kept,
                exchange.method.encode("latin-1", "replace"),
                exchange.given_id.encode("latin-1", "replace"),
                exchange.run,
                exchange.path,
            )
            self._head[_WRITTEN_AT] = self._written

    def close(self) -> None:
        """Unmap and unlock; the file stays readable."""
        self._head.release()
        self._map.close()
        self._file.close()


def _prune(directory: Path) -> None:
    """Remove the oldest rings of workers that are gone, so that restarts do not fill the disk."""
    for path in sorted(directory.glob("*.ledger"))[:-_FILES_KEPT]:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            path.unlink(missing_ok=True)
