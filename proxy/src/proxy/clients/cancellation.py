"""What ends the work on a request from outside: its caller left, or its time is up.

There are two kinds, because client libraries differ in what they bear. httpcore's clean-up is shielded against anyio's
scopes and not against `task.cancel()` (encode/httpcore#1093). The others are fine with asyncio's own way, which costs
a request a tenth of that.
"""

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import Protocol

import anyio


class Scope(Protocol):
    """A context manager around the work, used once. Cancelled, it ends the work and is left without an error."""

    @property
    def cancel_called(self) -> bool:
        """Say whether the work was to end."""

    def cancel(self) -> None:
        """End the work where it waits. Not to be called by the work itself."""

    def cancel_after(self, seconds: float) -> None:
        """End the work when its time is up; called inside the scope."""

    async def finish(self, last: Awaitable[None]) -> None:
        """Await what gives back the things that are held: not cancelled, and the last that may be waited for long."""

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> bool: ...


class AnyioScope:
    """anyio's scope: it cancels again at every await until the work has ended."""

    __slots__ = ("_inner",)

    def __init__(self) -> None:
        self._inner = anyio.CancelScope()

    @property
    def cancel_called(self) -> bool:
        """Say whether the work was to end."""
        return self._inner.cancel_called

    def cancel(self) -> None:
        """End the work where it waits."""
        self._inner.cancel()

    def cancel_after(self, seconds: float) -> None:
        """End the work when its time is up."""
        self._inner.deadline = anyio.current_time() + seconds

    async def finish(self, last: Awaitable[None]) -> None:
        """Await it behind a shield."""
        with anyio.CancelScope(shield=True):
            await last

    def __enter__(self) -> "AnyioScope":
        self._inner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> bool:
        return bool(self._inner.__exit__(kind, error, trace))


class TaskScope:
    """Cancels the task that entered it, once, as asyncio.timeout does."""

    __slots__ = ("_cancelled_task", "_cancelling", "_finishing", "_loop", "_task", "_timer", "cancel_called")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._finishing = self._cancelled_task = self.cancel_called = False

    def cancel(self) -> None:
        """End the work where it waits."""
        self.cancel_called = True
        if self._task is not None and not self._cancelled_task and not self._finishing:
            self._cancelled_task = self._task.cancel()

    def cancel_after(self, seconds: float) -> None:
        """End the work when its time is up."""
        self._timer = self._loop.call_later(seconds, self.cancel)

    async def finish(self, last: Awaitable[None]) -> None:
        """Await it; a cancellation from here on comes too late."""
        self._finishing = True
        await last

    def __enter__(self) -> "TaskScope":
        task = self._task = asyncio.current_task(
            self._loop
        )  # with the loop: looking for it costs Python 3.11 a syscall
        assert task is not None
        self._cancelling = task.cancelling()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> bool:
        task, self._task = self._task, None
        if self._timer is not None:
            self._timer.cancel()
        if not self._cancelled_task or task is None:
            return False
        # the task may have been cancelled from elsewhere, too: then it stays cancelled
        return task.uncancel() <= self._cancelling and kind is asyncio.CancelledError
