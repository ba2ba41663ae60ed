"""How many requests are worked on at once: N servers and one queue before them, first come, first served."""

import asyncio
from collections import deque
from typing import Any

from service_kit.timer_queue import Wait
from upstream_mock.client import Client

_MOST_LEFT = 64


class QueueFullError(Exception):
    """As many requests wait as may wait."""


class Capacity:
    """N servers (None: no limit). Enter, work, leave; the request that came first enters first.

    `busy` and `waiting` are counted without a limit too. `queue` is how many may wait, None for any number; `refused`
    counts those that came when so many did.
    """

    def __init__(self, servers: int | None, queue: int | None = None) -> None:
        self.servers = servers
        self.queue = queue
        self.busy = 0
        self.waiting = 0
        self.refused = 0
        self.waits = 0
        self.waited_ms = 0.0
        self._turns: deque[Wait] = deque()

    def waited(self, milliseconds: float) -> None:
        """Count a wait for a server, of no length where one was free."""
        self.waits += 1
        self.waited_ms += milliseconds

    async def enter(self, client: Client) -> bool:
        """Wait for a server; True with one held (then `leave()` must follow), False if the client left first.

        QueueFullError, at once, if the queue is full.
        """
        if self.servers is None or self.busy < self.servers:
            self.busy += 1
            return True
        client.unserved = True
        if self.queue is not None and self.waiting >= self.queue:
            self.refused += 1
            raise QueueFullError
        turn = self._join()
        entered = False
        try:
            entered = await client.wait(turn)
        except asyncio.CancelledError:
            # Cancelled between being handed a server and waking up: it must not get lost.
            if turn.done() and not turn.cancelled() and turn.result():
                entered = True
                self.leave()
            raise
        finally:
            if not entered:
                self.waiting -= 1
                # A client that left stays in the queue until its turn comes, and is skipped then.
                turn.cancel()
        client.unserved = not entered
        return entered

    def leave(self) -> None:
        """Hand the server to the request that waits longest, or set it free."""
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                # Counted here, not when it wakes up: between the two `waiting` may be read.
                self.waiting -= 1
                turn.set_result(True)
                return
        self.busy -= 1

    def reset(self) -> None:
        """Zero the counters; what works or waits stays."""
        self.refused = self.waits = 0
        self.waited_ms = 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "servers": self.servers,
            "queue": self.queue,
            "busy": self.busy,
            "waiting": self.waiting,
            "refused": self.refused,
            "waited_ms": {"count": self.waits, "sum": self.waited_ms},
        }

    def _join(self) -> Wait:
        if len(self._turns) > 2 * self.waiting + _MOST_LEFT:
            # With long work and impatient clients the queue would otherwise consist mostly of those that left.
            self._turns = deque(turn for turn in self._turns if not turn.done())
        turn: Wait = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        self.waiting += 1
        return turn
