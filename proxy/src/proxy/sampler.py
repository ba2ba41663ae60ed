"""What a worker looks at now and then and no request tells: its CPU, the event loop's lag, threads, leaked slots."""

import asyncio
import logging
import time
from typing import Final

from poolwatch.counters import Cell, Histogram
from poolwatch.leaks import log_leaks
from poolwatch.ledger import TICK_SECONDS
from poolwatch.monitor import Monitor
from poolwatch.worker_counters import WorkerCounters
from poolwatch.worker_slots import SlotsFile, slots
from proxy.pattern_runtime.thread_limiter import thread_tokens
from proxy.reconfigure import ReplaceableClient
from service_kit.process_figures import open_descriptors

_TICKS_A_ROUND: Final = 10
_STREAMS: Final = 100
"""Of an HTTP/2 connection: httpcore and httpcore2 use no more, and RFC 9113 (6.5.2) advises servers to allow them."""


class Sampler:
    """The samples of one worker, written to its cells."""

    def __init__(
        self,
        watch: Monitor,
        counters: WorkerCounters,
        client: ReplaceableClient,
        leak_threshold_seconds: float | None,
        notices: SlotsFile | None,
    ) -> None:
        self._watch = watch
        self._counters = counters
        self._client = client
        self._leak_threshold_seconds = leak_threshold_seconds
        self._notices = notices

    async def run(self) -> None:
        """Sample until cancelled: the loop's lag and the ledger twenty times a second, the rest twice."""
        while True:
            self.sample()
            if self._leak_threshold_seconds is not None:
                log_leaks(self._watch, self._leak_threshold_seconds, logging.getLogger("proxy"))
            if self._notices is not None:
                self._notices.write(slots(self._watch, self._client.client.connections()))
            for _ in range(_TICKS_A_ROUND):
                due = time.perf_counter_ns() + round(TICK_SECONDS * 1e9)
                await asyncio.sleep(TICK_SECONDS)
                self._counters.add(Histogram.LOOP_LAG, max(time.perf_counter_ns() - due, 0))
                self._sample_waiting()
                self._watch.flush()

    def sample(self) -> None:
        """Take what can be read at once; also called for each report, so that it is of now."""
        self._watch.flush()
        cells = self._counters.cells
        cells[Cell.DESCRIPTORS] = descriptors = open_descriptors()
        cells[Cell.RUN_DESCRIPTORS_MAX] = max(cells[Cell.RUN_DESCRIPTORS_MAX], descriptors)
        cells[Cell.CPU_NS] = time.process_time_ns()
        cells[Cell.ABANDONED] = getattr(self._client.client, "abandoned", 0)
        tokens = thread_tokens()
        cells[Cell.THREADS_TOTAL] = tokens["total"]
        cells[Cell.THREADS_BUSY] = tokens["borrowed"]
        cells[Cell.THREADS_WAITING] = tokens["waiting"]

    def _sample_waiting(self) -> None:
        """Note how many requests wait, and which part of the pool is free for them.

        The loop may not get to handing a connection out: then waiting is not for want of connections. Over HTTP/2 they
        wait for a stream.
        """
        cells = self._counters.cells
        most = cells[Cell.H2_OPEN] * _STREAMS or self._client.max_connections
        if (waiting := cells[Cell.WAITING]) > 0:
            cells[Cell.WAITING_SAMPLED] += waiting * 1000
            cells[Cell.WAITING_FREE] += waiting * 1000 * max(most - cells[Cell.ACTIVE], 0) // most
