"""One fair queue: so many at a time, the rest in strict order of arrival."""

import asyncio
from collections import OrderedDict


class FifoSemaphore:
    """Slots and a queue for them. A slot that is given back goes to the first in the queue.

    Unlike asyncio.Semaphore it has a time-out of its own and never loses a slot that was given to one who had just
    been cancelled.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._queue: OrderedDict[asyncio.Future[bool], None] = OrderedDict()

    @property
    def free(self) -> int:
        """Slots that are free."""
        return self._free

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return len(self._queue)

    async def enter(self, timeout_seconds: float) -> bool:
        """Return True with a slot, which the caller gives back by `leave`, or False when none came in time."""
        if self._free and not self._queue:
            self._free -= 1
            return True
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        self._queue[turn] = None
        late = loop.call_later(timeout_seconds, self._give_up, turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self.leave()  # the slot came in the same moment: it goes to the next
            raise
        finally:
            late.cancel()
            self._queue.pop(turn, None)

    def leave(self) -> None:
        """Give a slot back."""
        while self._queue:
            turn, _ = self._queue.popitem(last=False)
            if not turn.done():
                turn.set_result(True)
                return
        self._free += 1

    def _give_up(self, turn: "asyncio.Future[bool]") -> None:
        if not turn.done():
            self._queue.pop(turn, None)
            turn.set_result(False)
