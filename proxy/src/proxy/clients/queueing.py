"""A client behind the gate: requests wait in one fair queue, and cancelling one loses no slot of the library's pool.

How a call may be cancelled differs: aiohttp's as any coroutine; a call into httpcore's pool only by an anyio scope
inside a task of its own, and never by cancelling that task (its shields do not hold against that, httpcore issue
1093); pyreqwest's not at all before the answer's head, so its slot is kept until the library lets go of it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import anyio

from poolwatch.trace import current
from proxy.clients.cancellation import Scope
from proxy.clients.fifo_semaphore import FifoSemaphore
from proxy.clients.interface import Outbound
from proxy.clients.lost_slots import Loss
from proxy.errors import ProxyError
from proxy.settings import Settings

from .httpcore_backend import placed
from .interface import Answer, Client


class GatedClient:
    """A client whose calls begin in order of arrival, so many at a time. Cancelled as any coroutine."""

    def __init__(self, inner: Client, settings: Settings) -> None:
        self.gate = FifoSemaphore(settings.max_connections)
        self._inner = inner
        self._patience = settings.pool_timeout_seconds

    @property
    def abandoned(self) -> int:
        """Slots that the library still holds for requests that were given up."""
        return 0

    async def send(self, outbound: Outbound, body: AsyncIterator[bytes] | None) -> Answer:
        """Wait for a slot, then send. The slot is free again when the answer is closed. Raises ProxyError."""
        trace = current.get()
        if not await self.gate.enter(self._patience):
            raise ProxyError("pool_exhausted")
        if trace is not None:
            trace.grant()
        return await self._call(outbound, body)

    async def _call(self, outbound: Outbound, body: AsyncIterator[bytes] | None) -> Answer:
        try:
            answer = await self._inner.send(outbound, body)
        except BaseException:
            self.gate.leave()
            raise
        return GatedAnswer(answer, self.gate.leave)

    def cancel_scope(self, loop: asyncio.AbstractEventLoop) -> Scope:
        """Return the library's."""
        return self._inner.cancel_scope(loop)

    def versions(self) -> dict[str, str]:
        """Return the versions of the libraries at work."""
        return self._inner.versions()

    def unsupported(self) -> dict[str, str]:
        """Return a sentence for each variable that is set and cannot be honoured."""
        return self._inner.unsupported()

    def connections(self) -> list[dict[str, object]] | None:
        """Return an entry for each connection, or None if the library cannot tell."""
        return self._inner.connections()

    def loss(self) -> Loss | None:
        """Return the slots that the library's pool has lost, None if there are none."""
        return self._inner.loss()

    async def aclose(self) -> None:
        """Close every connection of the pool."""
        await self._inner.aclose()


class ScopedClient(GatedClient):
    """For httpcore's pools: what is cancelled is a scope inside the call's own task."""

    async def _begin(self, outbound: Outbound, body: AsyncIterator[bytes] | None) -> Answer:
        return await self._inner.send(outbound, body)

    async def _call(self, outbound: Outbound, body: AsyncIterator[bytes] | None) -> Answer:
        scope = anyio.CancelScope()
        task = asyncio.create_task(self._scoped(scope, outbound, body))
        try:
            answer = await asyncio.shield(task)
        except asyncio.CancelledError:
            scope.cancel()
            await _ended(task)
            if not task.cancelled() and task.exception() is None and (late := task.result()) is not None:
                await _ended(asyncio.create_task(late.aclose()))
            self.gate.leave()
            raise
        except BaseException:
            self.gate.leave()
            raise
        assert answer is not None  # only a cancelled scope ends without one
        return ScopedAnswer(answer, self.gate.leave)

    async def _scoped(
        self, scope: anyio.CancelScope, outbound: Outbound, body: AsyncIterator[bytes] | None
    ) -> Answer | None:
        with scope:
            return await self._begin(outbound, body)
        return None


class OneByOneClient(ScopedClient):
    """For httpcore 1.0: requests enter its pool one after the other.

    The pool gives an idle connection to every request that comes before the first of them has begun to use it; all but
    one then find it taken and begin again, each time at the cost of a look at the whole pool. At 20 connections that
    is nearly half of all the CPU time.
    """

    def __init__(self, inner: Client, settings: Settings) -> None:
        super().__init__(inner, settings)
        self._door = asyncio.Lock()

    async def _begin(self, outbound: Outbound, body: AsyncIterator[bytes] | None) -> Answer:
        await self._door.acquire()
        inside = False

        def go_in() -> None:
            nonlocal inside
            if not inside:
                inside = True
                self._door.release()

        placed.set(go_in)  # in this task, which the call has for itself
        try:
            return await self._inner.send(outbound, body)
        finally:
            go_in()


class CallsKeeping(Client, Protocol):
    """A client that tells when it lets go of a call, which may be later than its caller does."""

    abandoned: int

    async def send_until(
        self, outbound: Outbound, body: AsyncIterator[bytes] | None, done: Callable[[], None]
    ) -> Answer:
        """Like `send`; `done` is called once, when nothing is held for this call any more."""


class KeepingClient(GatedClient):
    """For pyreqwest: the slot belongs to the library until it lets go of the call."""

    def __init__(self, inner: CallsKeeping, settings: Settings) -> None:
        super().__init__(inner, settings)
        self._keeping = inner

    @property
    def abandoned(self) -> int:
        """Slots that the library still holds for requests that were given up."""
        return self._keeping.abandoned

    async def _call(self, outbound: Outbound, body: AsyncIterator[bytes] | None) -> Answer:
        return await self._keeping.send_until(outbound, body, self.gate.leave)


class GatedAnswer:
    """An answer that gives its slot back when it is closed."""

    def __init__(self, inner: Answer, leave: Callable[[], None]) -> None:
        self._inner = inner
        self._leave: Callable[[], None] | None = leave
        self.status = inner.status
        self.headers = inner.headers
        self.body = inner.body

    async def aclose(self) -> None:
        """Give the connection back, then the slot. Safe to call twice."""
        leave, self._leave = self._leave, None
        try:
            await self._inner.aclose()
        finally:
            if leave is not None:
                leave()


class ScopedAnswer(GatedAnswer):
    """For httpcore's pools: giving a connection back must not be cancelled either, so it is a task of its own."""

    async def aclose(self) -> None:
        """Give the connection back, then the slot. Safe to call twice."""
        leave, self._leave = self._leave, None
        if leave is None:
            return
        closing = asyncio.create_task(self._inner.aclose())
        closing.add_done_callback(lambda _: leave())
        cancelled = await _ended(closing)
        if cancelled is not None:
            raise cancelled
        closing.result()


async def _ended(task: "asyncio.Task[Any]") -> asyncio.CancelledError | None:
    """Wait for a task that must come to its end, however often the waiting is cancelled. Returns the last of that."""
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancelled = error
    return cancelled
