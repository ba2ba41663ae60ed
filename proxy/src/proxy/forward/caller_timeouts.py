"""Time-outs for callers that send or read too slowly, or not at all. None of them counts the upstream's time.

One timer looks at all connections of a worker, some ten times per time-out: a timer for each packet would cost every
request. So a time-out is never early, and late by two looks at most. The same look finds the callers that have left
while their connection is not read.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Any, Final, Protocol

from proxy.errors import ProxyError
from proxy.forward.caller_clock import ByteClock, CallerLimits
from proxy.forward.downstream_connection import DownstreamConnection

CODE: Final = "caller_timeout"

LOOKS_PER_TIMEOUT: Final = 10
LONGEST_TICK_SECONDS: Final = 0.4
"""A caller that leaves is to be noticed within a second."""


class ServerProtocol(Protocol):
    """What is needed of the proxy's protocol classes, whichever parser they use."""

    transport: asyncio.Transport
    flow: Any
    cycle: Any
    refusing: bool
    received_bytes: int
    timeout_keep_alive_task: Any

    def refuse(self, status: int) -> None:
        """Answer with this status after the answers that are due, and close."""

    def look_whether_it_left(self) -> None:
        """End the connection if its caller has left and nothing is read that would show it."""


class CallerTimeouts:
    """The connections of one worker. `on_timeout` is called for a time-out that no forwarded request will report."""

    def __init__(
        self, limits: CallerLimits, loop: asyncio.AbstractEventLoop, on_timeout: Callable[[ProxyError], None]
    ) -> None:
        self.limits = limits
        self.on_timeout = on_timeout
        shortest = min(limits.head_seconds, limits.body_seconds, limits.write_seconds)
        self._tick = min(shortest / LOOKS_PER_TIMEOUT, LONGEST_TICK_SECONDS)
        self._loop = loop
        self._callers: set[Caller] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._looked_at = self._now = 0.0

    def add(self, protocol: ServerProtocol, downstream: DownstreamConnection) -> "Caller":
        """Look at a new connection from now on."""
        caller = Caller(self, protocol, downstream)
        self._callers.add(caller)
        if self._timer is None:
            self._looked_at = self._loop.time()
            self._timer = self._loop.call_later(self._tick, self._look)
        return caller

    def remove(self, caller: "Caller") -> None:
        """Look no more: the connection is lost."""
        self._callers.discard(caller)

    def _look(self) -> None:
        self._timer = self._loop.call_later(self._tick, self._look) if self._callers else None
        now = self._loop.time()
        # where the loop itself was blocked, what callers sent meanwhile has not been read yet
        self._now += min(now - self._looked_at, 2 * self._tick)
        self._looked_at = now
        for caller in list(self._callers):
            caller.look(self._now)


class Caller:
    """One connection of a caller, and what it owes at the moment: a head, a body, or the reading of an answer."""

    __slots__ = (
        "_answer",
        "_body",
        "_callers",
        "_cycle",
        "_downstream",
        "_head_after",
        "_head_since",
        "_protocol",
    )

    def __init__(self, callers: CallerTimeouts, protocol: ServerProtocol, downstream: DownstreamConnection) -> None:
        limits = callers.limits
        self._callers = callers
        self._protocol = protocol
        self._downstream = downstream
        self._cycle: Any = None
        self._head_after: Any = None
        self._head_since: float | None = None
        self._body = ByteClock(limits.body_seconds, limits.min_bytes_per_second)
        self._answer = ByteClock(limits.write_seconds, limits.min_bytes_per_second)

    def lost(self) -> None:
        """The connection is gone."""
        self._callers.remove(self)

    def look(self, now: float) -> None:
        """End the connection, or its request, if the caller is too slow."""
        self._protocol.look_whether_it_left()
        if self._reads_too_slowly(now):
            self._cut()
        elif self._protocol.refusing or self._protocol.transport.is_closing():
            return
        elif self._is_in_head():
            if self._head_since is None or self._head_after is not self._protocol.cycle:
                self._head_since, self._head_after = now, self._protocol.cycle
            elif now - self._head_since >= self._callers.limits.head_seconds:
                self._refuse("the request's head was not whole in time")
        else:
            self._head_since = None
            if self._owes_body() and self._body.is_late(now, self._protocol.received_bytes, math.inf):
                self._end_body()

    def _is_in_head(self) -> bool:
        """Whether a head is not whole yet: no request is worked on, and uvicorn does not wait for the next to begin."""
        protocol = self._protocol
        return (protocol.cycle is None or protocol.cycle.response_complete) and protocol.timeout_keep_alive_task is None

    def _reads_too_slowly(self, now: float) -> bool:
        kept = self._protocol.transport.get_write_buffer_size()
        unacknowledged = self._downstream.unacknowledged_bytes()
        if not (kept or unacknowledged):
            self._answer.stop()
            return False
        taken = self._downstream.acknowledged_bytes()
        return self._answer.is_late(now, taken, taken + unacknowledged + kept)

    def _owes_body(self) -> bool:
        """Whether the proxy would take bytes of a body now: neither its upstream's slowness nor a 100 is waited for."""
        cycle = self._protocol.cycle
        if cycle is not self._cycle:
            self._cycle = cycle
            self._body.stop()
        owes = cycle.more_body and not cycle.response_complete
        if owes and not self._protocol.flow.read_paused and not cycle.waiting_for_100_continue:
            return True
        self._body.stop()
        return False

    def _end_body(self) -> None:
        self._body.stop()
        if self._downstream.on_timeout is not None:
            self._downstream.on_timeout()
        elif self._protocol.cycle.response_started:
            self._cut()
        else:
            self._refuse("the request's body stopped, or was too slow")

    def _refuse(self, detail: str) -> None:
        """Answer 408 in the place of a request that the app does not have, or does not forward."""
        if not self._protocol.received_bytes:  # opened ahead of its first request, such a connection expects no answer
            self._protocol.transport.close()
            return
        error = ProxyError(CODE, detail)
        self._callers.on_timeout(error)
        self._protocol.refuse(error.status)

    def _cut(self) -> None:
        self._downstream.timed_out = True
        if not self._downstream.in_use:
            self._callers.on_timeout(ProxyError(CODE, "the answer was not read, or too slowly"))
        self._downstream.reset_when_closed()
        self._protocol.transport.abort()
