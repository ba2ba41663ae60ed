"""The check of idempotency: how often each request that must not be repeated was executed."""

from collections import OrderedDict
from typing import Any

from upstream_mock.correlation import Correlation

SHOWN = 1000
"""Ids that were executed more than once, named for each run."""


class IdempotencyLog:
    """How often each POST or PATCH was executed, by run and id; the oldest ids are forgotten beyond `entries`."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._times: OrderedDict[tuple[bytes, bytes], int] = OrderedDict()
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._times)

    def add(self, marks: Correlation) -> int:
        """Once more; returns how often by now, 0 for a request that has neither key nor id."""
        run, request_id, key = marks
        name = key or request_id
        if not name:
            return 0
        times = self._times[run, name] = self._times.get((run, name), 0) + 1
        if len(self._times) > self._entries:
            self._times.popitem(last=False)
            self.forgotten += 1
        return times

    def reset(self) -> None:
        """Forget all."""
        self._times.clear()
        self.forgotten = 0

    def as_json(self) -> dict[str, object]:
        """By run: ids, executions, how many ids were executed how often, and the first of those more than once."""
        runs: dict[str, dict[str, Any]] = {}
        for (run, key), times in self._times.items():
            empty: dict[str, Any] = {"ids": 0, "executions": 0, "times": {}, "repeated": {}}
            found = runs.setdefault(run.decode("latin-1"), empty)
            found["ids"] += 1
            found["executions"] += times
            found["times"][str(times)] = found["times"].get(str(times), 0) + 1
            if times > 1 and len(found["repeated"]) < SHOWN:
                found["repeated"][key.decode("latin-1")] = times
        return {"runs": runs, "forgotten": self.forgotten}
