"""The log of requests that ended: a ring buffer that is turned into rows only when it is asked for.

Ten thousand requests in tuples do not fit the processor's cache. So a request is a record of 32 bytes: what is the
same in many requests is kept once, and what few of them have is kept beside the records.
"""

from struct import Struct
from time import monotonic_ns
from typing import Any

from upstream_mock.clock import UnixClock
from upstream_mock.correlation import LONGEST, Correlation, IdempotencyLog

PAGE = 1000
"""Rows of one answer; written in some milliseconds, in which the data port has to wait."""

LOOKED_AT = 20_000
"""So many requests are looked at for one answer, whichever run is asked for: a page may be short, or empty, and not be
the last one."""

PATH_BYTES = 200
"""Of a longer path the beginning is kept, so that no client fills the memory with paths."""

HEADS = 1000
"""So many triples of method, path and run are kept once, however often they come."""

_RECORD = Struct("qqqiHH")
"""Began and ended in ns, connection, execution (0 if it was not counted), number of its head (0 if that is beside), and
flags."""

_COMPLETED, _FAULTED, _BESIDE = 1, 2, 4

Head = tuple[str, bytes, bytes]
"""Method, path and run."""

_NOT_IDEMPOTENT = frozenset({"POST", "PATCH"})


class RequestLog:
    """The newest requests that ended, in the order in which they ended, numbered from 1."""

    def __init__(self, entries: int, clock: UnixClock) -> None:
        self.executions = IdempotencyLog(entries)
        self._entries = entries
        self._clock = clock
        self._ended = self._forgotten = 0
        self._records = bytearray(_RECORD.size * entries)
        self._heads: dict[Head, int] = {}
        # Of those with that flag: request id, idempotency key, and the head if it has no number.
        self._beside: list[tuple[bytes, bytes, Head | None] | None] = [None] * entries

    def __len__(self) -> int:
        return min(self._ended - self._forgotten, self._entries)

    def add(
        self,
        scope: Any,
        correlation: Correlation,
        connection: int,
        began_ns: int,
        *,
        completed: bool,
        executed: bool,
        faulted: bool = False,
    ) -> None:
        """`scope` is ASGI's; `executed` is False if the work was refused or never begun."""
        at = self._ended % self._entries
        self._ended += 1
        run, request_id, key = correlation
        method = scope["method"]
        flags = _COMPLETED if completed else _FAULTED if faulted else 0
        head = self._heads.get((method, scope["raw_path"], run)) or self._number((method, scope["raw_path"], run))
        if request_id or key or not head:
            flags |= _BESIDE
            self._beside[at] = request_id, key, None if head else (method, scope["raw_path"][:PATH_BYTES], run)
        times = self.executions.add(correlation) if method in _NOT_IDEMPOTENT and executed else 0
        _RECORD.pack_into(self._records, at * _RECORD.size, began_ns, monotonic_ns(), connection, times, head, flags)

    def reset(self) -> None:
        """Forget all; the numbers go on."""
        self._forgotten = self._ended
        self._heads.clear()
        self.executions.reset()

    def page(self, run: str | None, since: int) -> dict[str, Any]:
        """At most 1000 requests that ended after number `since`; go on with since=`next` while `more`."""
        gone = max(self._forgotten, self._ended - self._entries)
        wanted = None if run is None else run.encode("latin-1", "replace")[:LONGEST]
        heads = [None, *self._heads]
        rows: list[dict[str, Any]] = []
        last = max(since, gone)
        end = min(self._ended, last + LOOKED_AT)
        while last < end and len(rows) < PAGE:
            self._append_row(last, heads, wanted, rows)
            last += 1
        return {"requests": rows, "oldest": gone + 1, "next": last, "more": last < self._ended}

    def _number(self, head: Head) -> int:
        """A new head's number, 0 if it is kept beside the records: HEADS are known, or the path is too long."""
        if len(self._heads) >= HEADS or len(head[1]) > PATH_BYTES:
            return 0
        return self._heads.setdefault(head, len(self._heads) + 1)

    def _append_row(
        self, index: int, heads: list[Head | None], wanted: bytes | None, rows: list[dict[str, Any]]
    ) -> None:
        at = index % self._entries
        began_ns, ended_ns, connection, times, number, flags = _RECORD.unpack_from(self._records, at * _RECORD.size)
        beside = self._beside[at] if flags & _BESIDE else None
        request_id, key, own = beside or (b"", b"", None)
        method, path, run = heads[number] or own or ("", b"", b"")
        if wanted is not None and run != wanted:
            return
        rows.append(
            {
                "sequence": index + 1,
                "run": run.decode("latin-1") or None,
                "request_id": request_id.decode("latin-1") or None,
                "idempotency_key": key.decode("latin-1") or None,
                "method": method,
                "path": path.decode("latin-1"),
                "connection": connection,
                "execution": times or None,
                "started": self._clock.unix(began_ns),
                "outcome": "completed" if flags & _COMPLETED else "abandoned",
                "faulted": bool(flags & _FAULTED),
                "duration_ms": round((ended_ns - began_ns) / 1e6, 3),
            }
        )
