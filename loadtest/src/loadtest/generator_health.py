"""Whether the load generator itself was the limit: its CPU time and how late its event loop ran."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import gevent

from lab.run_document import Generator

TICK_SECONDS = 0.1


@dataclass(frozen=True)
class ProcessReport:
    """One process over one run so far; `warned` is Locust's own warning that it had no CPU left."""

    cpu_seconds: float
    loop_lag_max_ms: float
    warned: bool = False


class ProcessHealth:
    """Watches this process. Loop lag is how much longer than asked a greenlet slept."""

    def __init__(self) -> None:
        self._cpu_at_start = time.process_time()
        self._lag_seconds = 0.0
        self._watcher = gevent.spawn(self._watch)

    def begin(self) -> None:
        """Start over: a run begins."""
        self._cpu_at_start = time.process_time()
        self._lag_seconds = 0.0

    def report(self, *, warned: bool) -> ProcessReport:
        return ProcessReport(
            cpu_seconds=round(time.process_time() - self._cpu_at_start, 4),
            loop_lag_max_ms=round(self._lag_seconds * 1000, 1),
            warned=warned,
        )

    def _watch(self) -> NoReturn:
        while True:
            due = time.perf_counter() + TICK_SECONDS
            gevent.sleep(TICK_SECONDS)
            self._lag_seconds = max(self._lag_seconds, time.perf_counter() - due)


def generator(processes: Sequence[ProcessReport], wall_seconds: float) -> Generator:
    """Sum up the load generator: the process that records, and its workers if it is a master."""
    cpu_seconds = sum(process.cpu_seconds for process in processes)
    return Generator(
        cpu_cores=round(cpu_seconds / wall_seconds, 3) if wall_seconds > 0 else None,
        processes=max(1, len(processes) - 1),
        loop_lag_max_ms=max(process.loop_lag_max_ms for process in processes),
        cpu_warning=any(process.warned for process in processes),
    )
