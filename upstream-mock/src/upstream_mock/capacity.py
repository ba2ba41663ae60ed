"""How many requests are worked on at once: N servers and one line before them, first come, first served."""

import asyncio
from collections import deque

from upstream_mock.caller import Caller
from upstream_mock.timers import Wait


class Capacity:
    """N servers (None: as many as come). Enter, work, leave; who enters is always the one who came first.

    `busy` servers and `waiting` callers are counted with no limit too.
    """

    def __init__(self, servers: int | None) -> None:
        self.servers = servers
        self.busy = 0
        self.waiting = 0
        self.waits = 0
        self.waited_ms = 0.0
        self._line: deque[Wait] = deque()

    def waited(self, milliseconds: float) -> None:
        """Count a wait for a server, of no length where one was free."""
        self.waits += 1
        self.waited_ms += milliseconds

    async def enter(self, caller: Caller) -> bool:
        """Wait for a server; True with one held (then `leave()` must follow), False if the caller left first."""
        if self.servers is None or self.busy < self.servers:
            self.busy += 1
            return True
        turn: Wait = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        self.waiting += 1
        try:
            return await caller.wait(turn)
        except asyncio.CancelledError:
            # Cancelled between being handed a server and waking up: it must not get lost.
            if turn.done() and not turn.cancelled() and turn.result():
                self.leave()
            raise
        finally:
            self.waiting -= 1
            # He who left stays in the line until his turn comes, and is passed over then.
            turn.cancel()

    def leave(self) -> None:
        """Hand the server to whoever waits longest, or set it free."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(True)
                return
        self.busy -= 1
