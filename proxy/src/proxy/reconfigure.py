"""Another client while the proxy runs: new limits and time-outs at once, and no request in flight is lost.

The new client takes every request from now on; the old one serves those it has, those that wait in its queue included,
and is closed after the last of them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from proxy.clients.cancellation import Scope
from proxy.clients.interface import Answer, Client, Outbound
from proxy.settings import Settings
from proxy.watch import PoolWatch

CHANGEABLE: Final = (
    "client",
    "queue",
    "max_connections",
    "max_keepalive_connections",
    "keepalive_expiry_seconds",
    "max_connection_age_seconds",
    "connect_timeout_seconds",
    "read_timeout_seconds",
    "write_timeout_seconds",
    "pool_timeout_seconds",
    "total_timeout_seconds",
)
"""The fields of Settings that a PUT may change; all others need a restart."""


class SwappableClient:
    """A client that can be replaced; it counts what each of its clients still has to do."""

    def __init__(self, settings: Settings, watch: PoolWatch, build: Callable[[Settings, PoolWatch], Client]) -> None:
        self._watch = watch
        self._build = build
        self._now = _Generation(build(settings, watch))
        self._draining: dict[asyncio.Task[None], _Generation] = {}

    @property
    def inner(self) -> Client:
        """The client that takes new requests."""
        return self._now.client

    @property
    def draining(self) -> int:
        """Requests that older clients still have."""
        return sum(old.requests for old in self._draining.values())

    def swap(self, settings: Settings) -> None:
        """Let a client of these settings take over; the old one is closed when it has served what it has."""
        self._watch.untold = ()  # the next client says for itself what it cannot tell
        old, self._now = self._now, _Generation(self._build(settings, self._watch))
        task = asyncio.create_task(old.drain())
        self._draining[task] = old
        task.add_done_callback(lambda done: self._draining.pop(done, None))

    async def send(self, outbound: Outbound, body: AsyncIterator[bytes] | None) -> Answer:
        """Send by the newest client."""
        now = self._now
        now.begin()
        try:
            return _Counted(await now.client.send(outbound, body), now)
        except BaseException:
            now.end()
            raise

    def scope(self, loop: asyncio.AbstractEventLoop) -> Scope:
        """Return the newest client's."""
        return self.inner.scope(loop)

    def versions(self) -> dict[str, str]:
        """Return the versions of the libraries at work."""
        return self.inner.versions()

    def unsupported(self) -> dict[str, str]:
        """Return what the newest client cannot honour."""
        return self.inner.unsupported()

    def connections(self) -> list[dict[str, object]] | None:
        """Return the newest client's connections."""
        return self.inner.connections()

    def unusable(self) -> str | None:
        """Return why the newest client can serve nobody any more, if so."""
        return self.inner.unusable()

    @property
    def abandoned(self) -> int:
        """Slots of the newest client's gate whose requests were given up."""
        return getattr(self.inner, "abandoned", 0)

    async def aclose(self) -> None:
        """Close all clients, at the end of the proxy."""
        for task, old in list(self._draining.items()):
            task.cancel()
            await old.client.aclose()
        await self.inner.aclose()


class _Generation:
    """One client and how many requests it has."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.requests = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def begin(self) -> None:
        self.requests += 1
        self._idle.clear()

    def end(self) -> None:
        self.requests -= 1
        if self.requests == 0:
            self._idle.set()

    async def drain(self) -> None:
        await self._idle.wait()
        await self.client.aclose()


class _Counted:
    """An answer that tells its client when it is done."""

    def __init__(self, answer: Answer, generation: _Generation) -> None:
        self._answer = answer
        self._generation: _Generation | None = generation
        self.status = answer.status
        self.headers = answer.headers

    def body(self) -> AsyncIterator[bytes]:
        return self._answer.body()

    async def aclose(self) -> None:
        generation, self._generation = self._generation, None
        try:
            await self._answer.aclose()
        finally:
            if generation is not None:
                generation.end()
