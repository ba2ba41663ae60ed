"""What identifies a request: its run, its id and its idempotency key; and how often each one was executed."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

RUN_HEADER, ID_HEADER, KEY_HEADER = b"x-sandbox-run", b"x-request-id", b"idempotency-key"

LONGEST = 100
"""Of a longer value the beginning counts, so that no client fills the memory with headers."""

REPEATED_SHOWN = 1000
"""Ids that were executed more than once, named for each run."""

Correlation = tuple[bytes, bytes, bytes]
"""Run, request id and idempotency key; empty where there is none."""

NO_CORRELATION: Correlation = (b"", b"", b"")


def correlation_of(headers: Iterable[tuple[bytes, bytes]]) -> Correlation:
    """From headers with names in lower case; of two with one name the last counts."""
    run = request_id = key = b""
    for name, value in headers:
        if name == RUN_HEADER:
            run = value[:LONGEST]
        elif name == ID_HEADER:
            request_id = value[:LONGEST]
        elif name == KEY_HEADER:
            key = value[:LONGEST]
    return run, request_id, key


class IdempotencyLog:
    """How often each POST or PATCH was executed, by run and id; the oldest ids are forgotten beyond `entries`."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._executions: OrderedDict[tuple[bytes, bytes], int] = OrderedDict()
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._executions)

    def add(self, correlation: Correlation) -> int:
        """Count one execution; returns how many there were by now, 0 for a request that has neither key nor id."""
        run, request_id, key = correlation
        name = key or request_id
        if not name:
            return 0
        times = self._executions[run, name] = self._executions.get((run, name), 0) + 1
        if len(self._executions) > self._entries:
            self._executions.popitem(last=False)
            self.forgotten += 1
        return times

    def reset(self) -> None:
        self._executions.clear()
        self.forgotten = 0

    def as_json(self) -> dict[str, Any]:
        """By run: ids, executions, how many ids were executed how often, and the first of those more than once."""
        runs: dict[str, dict[str, Any]] = {}
        for (run, key), times in self._executions.items():
            empty: dict[str, Any] = {"ids": 0, "executions": 0, "times": {}, "repeated": {}}
            found = runs.setdefault(run.decode("latin-1"), empty)
            found["ids"] += 1
            found["executions"] += times
            found["times"][str(times)] = found["times"].get(str(times), 0) + 1
            if times > 1 and len(found["repeated"]) < REPEATED_SHOWN:
                found["repeated"][key.decode("latin-1")] = times
        return {"runs": runs, "forgotten": self.forgotten}
