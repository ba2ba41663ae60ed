"""Counts of requests, in total and for each run: started = completed + abandoned + in flight."""

import time
from dataclasses import dataclass, field

RUNS_KEPT = 64


@dataclass(slots=True)
class OutcomeCounts:
    """What became of requests. `completed`: the answer was written out; `abandoned`: it was not.

    Of the abandoned, `faulted` are those whose answer a fault of the mock's own cut; of the others the client left.
    """

    started: int = 0
    completed: int = 0
    abandoned: int = 0
    faulted: int = 0
    in_flight: int = 0

    def begin(self) -> None:
        self.started += 1
        self.in_flight += 1

    def end(self, *, completed: bool, faulted: bool = False) -> None:
        self.in_flight -= 1
        if completed:
            self.completed += 1
        else:
            self.abandoned += 1
            self.faulted += faulted

    def reset(self) -> None:
        """Zero, but for what is in flight."""
        self.started = self.completed = self.abandoned = self.faulted = 0

    def as_json(self) -> dict[str, int]:
        return {
            "started": self.started,
            "completed": self.completed,
            "abandoned": self.abandoned,
            "faulted": self.faulted,
            "in_flight": self.in_flight,
        }


@dataclass(slots=True)
class RequestCounts:
    """The total and, by the value of x-sandbox-run, the newest 64 runs. `run_began`: the newest one's first request."""

    total: OutcomeCounts = field(default_factory=OutcomeCounts)
    runs: dict[bytes, OutcomeCounts] = field(default_factory=dict)
    run_began: float | None = None

    def begin(self, run: bytes) -> OutcomeCounts | None:
        """Count a request; returns its run's counts, which `end` takes, or None if it has no run."""
        total = self.total
        total.started += 1  # not by begin(): every request comes here, and a call costs as much as all of this
        total.in_flight += 1
        if not run:
            return None
        counts = self._run(run)
        counts.begin()
        return counts

    def end(self, run: OutcomeCounts | None, *, completed: bool, faulted: bool = False) -> None:
        total = self.total
        total.in_flight -= 1
        if completed:
            total.completed += 1
        else:
            total.abandoned += 1
            total.faulted += faulted
        if run is not None:
            run.end(completed=completed, faulted=faulted)

    def reset(self) -> None:
        """Zero everything; runs with nothing in flight are forgotten."""
        self.total.reset()
        self.runs = {key: run for key, run in self.runs.items() if run.in_flight}
        for run in self.runs.values():
            run.reset()

    def _run(self, key: bytes) -> OutcomeCounts:
        run = self.runs.get(key)
        if run is None:
            if len(self.runs) >= RUNS_KEPT:
                del self.runs[next(iter(self.runs))]  # a dict keeps its order: the oldest run is the first
            run = self.runs[key] = OutcomeCounts()
            self.run_began = time.monotonic()
        return run
