"""The witness's log: each request that ended.

A ring that is written out only when somebody asks. One tuple a request would be the simpler thing, but ten thousand of
them do not stay in the processor's cache, and freeing the oldest cost each request 1 to 2 us more.
"""

from array import array
from time import monotonic_ns
from typing import Any

from upstream_mock.clock import Clock
from upstream_mock.executions import Executions
from upstream_mock.marks import LONGEST, Marks

PAGE = 1000
"""Rows of one answer; written in some milliseconds, in which the data port has to wait."""

PATH_BYTES = 200
"""Of a longer path the beginning is kept, so that nobody fills the memory with paths."""

WORDS = 1000
"""So many methods, paths and runs are kept once, however often they come."""

NUMBERS = 4
"""Began and ended in ns (the latter negative if it was abandoned), connection, execution (0 if it was not counted)."""

_NOT_IDEMPOTENT = frozenset({"POST", "PATCH"})


class RequestLog:
    """The newest requests that ended, in the order in which they ended, numbered from 1."""

    def __init__(self, entries: int, clock: Clock) -> None:
        self.executions = Executions(entries)
        self._entries = entries
        self._clock = clock
        self._ended = self._forgotten = 0
        self._words: dict[Any, Any] = {}
        self._numbers = array("q", bytes(8 * NUMBERS * entries))  # of one request side by side, in one cache line
        self._methods, self._paths, self._runs, self._ids, self._keys = ([b""] * entries for _ in range(5))

    def add(self, scope: Any, marks: Marks, connection: int, began_ns: int, *, completed: bool, executed: bool) -> None:
        """One more has ended. `scope` is ASGI's; `executed` is False if the work was refused or never begun."""
        at = self._ended % self._entries
        self._ended += 1
        method, path, words = scope["method"], scope["raw_path"], self._words
        run, self._ids[at], self._keys[at] = marks
        try:
            self._methods[at], self._paths[at], self._runs[at] = words[method], words[path], words[run]
        except KeyError:
            self._methods[at], self._paths[at], self._runs[at] = map(self._word, (method, path, run))
        times = self.executions.add(marks) if method in _NOT_IDEMPOTENT and executed else 0
        at *= NUMBERS
        numbers = self._numbers
        numbers[at] = began_ns
        numbers[at + 1] = monotonic_ns() if completed else -monotonic_ns()
        numbers[at + 2] = connection
        numbers[at + 3] = times

    def reset(self) -> None:
        """Forget all; the numbers go on."""
        self._forgotten = self._ended
        self._words.clear()
        self.executions.reset()

    def page(self, run: str | None, since: int) -> dict[str, object]:
        """At most 1000 requests that ended after number `since`; go on with since=`next` while `more`."""
        gone = max(self._forgotten, self._ended - self._entries)
        wanted = None if run is None else run.encode("latin-1", "replace")[:LONGEST]
        rows: list[dict[str, object]] = []
        last = max(since, gone)
        while last < self._ended and len(rows) < PAGE:
            if wanted is None or self._runs[last % self._entries] == wanted:
                rows.append(self._row(last))
            last += 1
        return {"requests": rows, "oldest": gone + 1, "next": last, "more": last < self._ended}

    def _word(self, word: Any) -> Any:
        word = word[:PATH_BYTES]
        if len(self._words) < WORDS:
            self._words[word] = word
        return word

    def _row(self, index: int) -> dict[str, object]:
        at = index % self._entries
        began_ns, ended_ns, connection, times = self._numbers[NUMBERS * at : NUMBERS * (at + 1)]
        return {
            "sequence": index + 1,
            "run": self._runs[at].decode("latin-1") or None,
            "request_id": self._ids[at].decode("latin-1") or None,
            "idempotency_key": self._keys[at].decode("latin-1") or None,
            "method": self._methods[at],
            "path": self._paths[at].decode("latin-1"),
            "connection": connection,
            "execution": times or None,
            "started": self._clock.unix(began_ns),
            "outcome": "completed" if ended_ns > 0 else "abandoned",
            "duration_ms": round((abs(ended_ns) - began_ns) / 1e6, 3),
        }
