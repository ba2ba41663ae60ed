"""What the handler needs of the lifespan: the client in use, its watch, the admission queue, the settings it reads."""

import asyncio
import os
from collections import deque
from urllib.parse import urlsplit

from poolwatch.counters import Cell
from poolwatch.monitor import CountedRequest, Monitor
from poolwatch.throttled_log import ThrottledLog
from proxy.asgi import Scope, header
from proxy.errors import ProxyError
from proxy.forward.caller_clock import CallerLimits
from proxy.forward.caller_timeouts import CallerTimeouts
from proxy.forward.headers import RUN_HEADER, Destination, request_id_of
from proxy.reconfigure import ReplaceableClient
from proxy.settings import Settings


class ForwardContext:
    """Opened by the lifespan, one for each worker. `admission` is None where no limit is set."""

    def __init__(self, client: ReplaceableClient, watch: Monitor, settings: Settings) -> None:
        url = urlsplit(settings.upstream_url)
        self.client = client
        self.watch = watch
        self.counters = watch.counters
        self.destination = Destination(
            authority=url.netloc.encode("idna" if not url.netloc.isascii() else "ascii"),
            base_path=url.path.encode(),
            # of this worker only: two sandboxes in a row are no loop
            pseudonym=b"pool-sandbox-" + os.urandom(4).hex().encode(),
        )
        limit = settings.max_in_flight
        self.admission = None if limit is None else AdmissionQueue(limit, settings.max_waiting)
        self.retries = settings.retries
        self.total_timeout_seconds = settings.total_timeout_seconds
        self.log = ThrottledLog("proxy")
        self.loop = asyncio.get_running_loop()
        self.request_buffer_bytes = settings.request_buffer_bytes
        limits = CallerLimits(
            settings.caller_head_timeout_seconds,
            settings.caller_body_timeout_seconds,
            settings.caller_write_timeout_seconds,
            settings.caller_min_bytes_per_second,
        )
        self.callers = CallerTimeouts(limits, self.loop, self.note)

    def refused(self, scope: Scope, error: ProxyError) -> str:
        """Count a request that the server refused before the app had it; return its id."""
        headers = scope["headers"]
        request_id = request_id_of(header(headers, b"x-request-id"))
        trace = self.watch.trace(scope["method"], scope["raw_path"], request_id)
        with CountedRequest(self.counters, trace, header(headers, RUN_HEADER)):
            trace.outcome, trace.code, trace.status = Cell.FAILED, error.code, error.status
            self.counters.count_error(error.code)
        return trace.request_id

    def note(self, error: ProxyError) -> None:
        """Count and log what went wrong before there was a request, or behind it."""
        self.counters.count_error(error.code)
        self.log.warning("%d %s: %s", error.status, error.code, error.explanation)


class AdmissionQueue:
    """A FIFO queue before everything else: `max_in_flight` requests at a time, `max_waiting` (None: any) in line."""

    def __init__(self, max_in_flight: int, max_waiting: int | None) -> None:
        self.max_in_flight = max_in_flight
        self.max_waiting = max_waiting
        self.in_flight = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._queue)

    async def enter(self) -> None:
        """Wait for a turn, which the caller gives back by `leave`. Raises ProxyError (503) if too many wait already.

        Safe to cancel: a turn that was given to a request that is gone by then goes on to the next one.
        """
        if self.in_flight < self.max_in_flight and not self._queue:
            self.in_flight += 1
            return
        if self.max_waiting is not None and len(self._queue) >= self.max_waiting:
            raise ProxyError("overloaded")
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.leave()
            elif turn in self._queue:  # `leave` passes over one that was cancelled in the same moment
                self._queue.remove(turn)
            raise

    def leave(self) -> None:
        """Give the turn back, to the first that waits."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.in_flight -= 1
