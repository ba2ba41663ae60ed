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
        cells[Cell.LOST] = self._lost()
        tokens = thread_tokens()
        cells[Cell.THREADS_TOTAL] = tokens["total"]
        cells[Cell.THREADS_BUSY] = tokens["borrowed"]
        cells[Cell.THREADS_WAITING] = tokens["waiting"]

    def _lost(self) -> int:
        loss = self._client.client.loss()
        return loss.slots if loss is not None else 0

    def _sample_waiting(self) -> None:
        """Note how many requests wait, and for what: not all of them for others to give a connection back.

        What part of the pool is free meanwhile: the loop may not get to handing it out. Slots that the library has lost
        are not free. Over HTTP/2 requests wait for a stream, or all of them for the connection that one of them opens.
        """
        cells = self._counters.cells
        if (waiting := cells[Cell.WAITING]) <= 0:
            return
        cells[Cell.WAITING_SAMPLED] += waiting * 1000
        cells[Cell.LOST] = self._lost()
        if self._opens_for_all():
            cells[Cell.WAITING_OPENING] += waiting * 1000
            return
        most = cells[Cell.H2_OPEN] * _STREAMS or self._client.max_connections
        cells[Cell.WAITING_FREE] += waiting * 1000 * max(most - cells[Cell.ACTIVE] - cells[Cell.LOST], 0) // most

    def _opens_for_all(self) -> bool:
        """Whether an HTTP/2 connection is being opened: httpcore lets all that come meanwhile wait for that one."""
        client = self._client.client
        if not getattr(client, "http2", False):
            return False
        return any(each["state"] == "connecting" for each in client.connections() or ())
