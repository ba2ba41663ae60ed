"""The state of the mock: one object that the data side fills and the control side reads."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from service_kit.histogram import LogHistogram
from service_kit.process_figures import figures
from service_kit.timer_queue import TimerQueue, Wait
from upstream_mock.capacity import Capacity
from upstream_mock.client import Client
from upstream_mock.clock import UnixClock
from upstream_mock.connection_log import ConnectionLog
from upstream_mock.counts import RequestCounts
from upstream_mock.faults.runtime.engine import FaultEngine
from upstream_mock.latency.distribution import LatencySampler
from upstream_mock.latency.parse import parse_latency
from upstream_mock.request_log import RequestLog
from upstream_mock.settings import Settings
from upstream_mock.tls import TlsHandshakes

CHANGEABLE = ("latency", "fault")
"""The fields of Settings that can be changed while the mock runs."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A latency that was waited for, in milliseconds: as drawn, and how much more it took."""

    drawn_ms: float
    late_ms: float


_NO_PAUSE = Pause(0.0, 0.0)  # made once: a frozen dataclass takes a good part of a microsecond


class Mock:
    """What one mock upstream holds while it runs. Made from settings alone; `running()` adds the timer."""

    def __init__(self, settings: Settings) -> None:
        self.settings = self.started_with = settings
        self.latency = LatencySampler(parse_latency(settings.latency), settings.seed)
        # Errors have random numbers of their own, so that ERROR_RATE does not change the latencies that are drawn.
        self.errors = Random(f"errors {settings.seed}")
        self.capacity = Capacity(settings.capacity, settings.queue)
        self.requests = RequestCounts()
        self.connections = ConnectionLog(settings.log_entries)
        self.handshakes = TlsHandshakes()
        self.log = RequestLog(settings.log_entries, UnixClock.now()) if settings.log_entries else None
        self.lateness = LogHistogram()  # of all waits; a latency of zero is not waited for and not counted
        self.faults = FaultEngine(
            settings.fault or "",
            settings.fault_rate,
            settings.seed,
            began=lambda: self.requests.run_began,
            until=self.until,
        )
        self._timers: TimerQueue | None = None
        self._started = time.monotonic()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Holds the timer, on the loop this is entered in."""
        self._timers = TimerQueue()
        self.faults.set_alarms()
        try:
            yield
        finally:
            self.faults.close()
            self._timers.close()
            self._timers = None

    async def pause(self, client: Client, seconds: float) -> Pause | None:
        """Let `seconds` pass; None, and at once, if the client leaves meanwhile."""
        if seconds <= 0:
            return None if client.gone else _NO_PAUSE
        deadline = time.monotonic_ns() + round(seconds * 1e9)
        if not await client.wait(self.until(deadline)):
            return None
        late_ms = (time.monotonic_ns() - deadline) / 1e6
        self.lateness.add(late_ms)
        return Pause(seconds * 1e3, late_ms)

    def change(self, wanted: Settings, named: set[str]) -> None:
        """Put other settings in force; `named` are the fields that were asked for, of those that can be changed."""
        if "latency" in named:
            self.latency.change(parse_latency(wanted.latency))
        if "fault" in named:
            self.faults.replace(wanted.fault or "")
        self.settings = wanted

    def change_faults(self, text: str) -> None:
        """Put other fault rules in force. Raises ValueError, and changes nothing, if one of them is bad."""
        self.faults.replace(text)
        rules = "; ".join(self.faults.as_json()["rules"]) or None
        fault = rules if self.faults.changed else self.started_with.fault
        self.settings = self.settings.model_copy(update={"fault": fault})

    def until(self, deadline_ns: int) -> Wait:
        """Becomes True at a time of time.monotonic_ns()."""
        if self._timers is None:
            raise RuntimeError("the mock is not running")
        return self._timers.wait_until(deadline_ns)

    def reset(self) -> None:
        """Zero the counters; open connections and requests in flight stay."""
        self.requests.reset()
        self.connections.reset()
        self.capacity.reset()
        self.handshakes.reset()
        if self.log is not None:
            self.log.reset()
        self.lateness.reset()
        self.faults.reset()

    def stats(self) -> dict[str, Any]:
        return {
            "connections": self.connections.as_json(),
            "tls": self.handshakes.as_json(),
            "requests": self.requests.total.as_json(),
            "capacity": self.capacity.as_json(),
            "runs": {key.decode("latin-1"): run.as_json() for key, run in self.requests.runs.items()},
            "lateness_ms": self.lateness.as_json(),
            "faults": dict(self.faults.applied),
            "process": {
                "pid": os.getpid(),
                "cpu_seconds": time.process_time(),
                "uptime_seconds": time.monotonic() - self._started,
                **figures(),
            },
        }
