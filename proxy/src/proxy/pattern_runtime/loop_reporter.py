"""How threads report what happens.

The counters are plain memory: `cells[n] += 1` in two threads at once loses one. Neither a lock nor cells of their own
for threads are needed if threads write nothing: they hand each event to the event loop, which stays the only writer.
Events of one thread keep their order, and arrive before the result of the endpoint that it ran. Their time stamps are
those of the loop, so late by as much as the loop lags.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress


class LoopReporter:
    """Reports events in the loop's own thread. Made in the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    def report(self, event: Callable[..., object], *arguments: object) -> None:
        """Call `event` at once if this is the loop's thread, else soon and there."""
        if threading.get_ident() == self._thread:
            event(*arguments)
        else:
            with suppress(RuntimeError):  # the loop is closed: nothing reads the counters any more
                self._loop.call_soon_threadsafe(event, *arguments)
