"""How many requests are worked on at once: N servers and one line before them, first come, first served."""

import asyncio
from collections import deque

from upstream_mock.client import Client
from upstream_mock.timers import Wait

_DEAD_ENDS = 64


class QueueFullError(Exception):
    """Nobody may join the line: it is as long as it may get."""


class Capacity:
    """N servers (None: as many as come). Enter, work, leave; who enters is always the one who came first.

    `busy` servers and `waiting` callers are counted with no limit too. `queue` is how many may wait, None for any
    number; `refused` counts those who came when so many did.
    """

    def __init__(self, servers: int | None, queue: int | None = None) -> None:
        self.servers = servers
        self.queue = queue
        self.busy = 0
        self.waiting = 0
        self.refused = 0
        self.waits = 0
        self.waited_ms = 0.0
        self._line: deque[Wait] = deque()

    def waited(self, milliseconds: float) -> None:
        """Count a wait for a server, of no length where one was free."""
        self.waits += 1
        self.waited_ms += milliseconds

    async def enter(self, caller: Client) -> bool:
        """Wait for a server; True with one held (then `leave()` must follow), False if the caller left first.

        QueueFullError, and at once, if nobody may wait any more.
        """
        if self.servers is None or self.busy < self.servers:
            self.busy += 1
            return True
        caller.unserved = True
        if self.queue is not None and self.waiting >= self.queue:
            self.refused += 1
            raise QueueFullError
        turn = self._join()
        entered = False
        try:
            entered = await caller.wait(turn)
        except asyncio.CancelledError:
            # Cancelled between being handed a server and waking up: it must not get lost.
            if turn.done() and not turn.cancelled() and turn.result():
                entered = True
                self.leave()
            raise
        finally:
            if not entered:
                self.waiting -= 1
                # He who left stays in the line until his turn comes, and is passed over then.
                turn.cancel()
        caller.unserved = not entered
        return entered

    def leave(self) -> None:
        """Hand the server to whoever waits longest, or set it free."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                # Counted out here, not when he wakes up: between the two somebody may come and ask how many wait.
                self.waiting -= 1
                turn.set_result(True)
                return
        self.busy -= 1

    def reset(self) -> None:
        """Zero the counters; who works or waits stays."""
        self.refused = self.waits = 0
        self.waited_ms = 0.0

    def as_json(self) -> dict[str, object]:
        """For /-/stats."""
        return {
            "servers": self.servers,
            "queue": self.queue,
            "busy": self.busy,
            "waiting": self.waiting,
            "refused": self.refused,
            "waited_ms": {"count": self.waits, "sum": self.waited_ms},
        }

    def _join(self) -> Wait:
        if len(self._line) > 2 * self.waiting + _DEAD_ENDS:
            # With long work and impatient callers the line would otherwise be mostly those who left it.
            self._line = deque(turn for turn in self._line if not turn.done())
        turn: Wait = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        self.waiting += 1
        return turn
