"""Admission: how many requests are worked on at a time, and how many may wait for that."""

import asyncio
from collections import deque

from proxy.errors import ProxyError


class Admission:
    """A queue in order of arrival before everything else. None as a limit: as many as come."""

    def __init__(self, max_in_flight: int | None, max_waiting: int | None) -> None:
        self.max_in_flight = max_in_flight
        self.max_waiting = max_waiting
        self.in_flight = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._queue)

    async def enter(self) -> None:
        """Wait for a turn; whoever returns from here owes a `leave`. Raises ProxyError (503) if too many wait already.

        Safe to cancel: a turn that was given to a request that is gone by then goes on to the next one.
        """
        if self.max_in_flight is None or (self.in_flight < self.max_in_flight and not self._queue):
            self.in_flight += 1
            return
        if self.max_waiting is not None and len(self._queue) >= self.max_waiting:
            raise ProxyError("overloaded")
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            else:
                self._queue.remove(turn)
            raise

    def leave(self) -> None:
        """Give the turn back: to the first who waits, if somebody does."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.in_flight -= 1
