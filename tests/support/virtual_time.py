"""An event loop in virtual time: nothing sleeps, the clock jumps to the next timer when nothing else is to be done."""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any


class VirtualLoop(asyncio.AbstractEventLoop):
    """What tasks, futures and timers need, and no more: no sockets, no threads."""

    def __init__(self) -> None:
        self._now = 0.0
        self._order = 0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.Handle]] = []
        self.failures: list[dict[str, Any]] = []

    def time(self) -> float:
        """Seconds since it was made."""
        return self._now

    def get_debug(self) -> bool:
        """Never."""
        return False

    def is_running(self) -> bool:
        """Always: it is used while it runs."""
        return True

    def create_future(self) -> "asyncio.Future[Any]":
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **options: Any) -> "asyncio.Task[Any]":
        """A task of this loop."""
        return asyncio.Task(coro, loop=self, **options)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.Handle:
        """Call before any time passes."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> Any:
        """Call at a virtual time; of two at one time the one that asked first."""
        handle = asyncio.Handle(callback, args, self, context)
        self._order += 1
        heapq.heappush(self._timers, (when, self._order, handle))
        return handle

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Remember what failed."""
        self.failures.append(context)

    async def sleep(self, seconds: float) -> None:
        """Let so much virtual time pass."""
        done = self.create_future()
        self.call_at(self._now + seconds, done.set_result, None)
        await done

    def run(self, main: Coroutine[Any, Any, object]) -> None:
        """Run `main` and all it started to their end; what failed is raised."""
        asyncio._set_running_loop(self)
        try:
            task = self.create_task(main)
            while self._ready or self._timers:
                if not self._ready:
                    self._now, _, handle = heapq.heappop(self._timers)
                    self._ready.append(handle)
                self._ready.popleft()._run()
        finally:
            asyncio._set_running_loop(None)
        task.result()
        assert not self.failures, self.failures
