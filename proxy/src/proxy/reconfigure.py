"""Another client while the proxy runs: new limits and time-outs at once, and no request in flight is lost.

The new client takes every request from now on; the old one serves those it has, those that wait in its queue included,
and is closed after the last of them.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from poolwatch.monitor import Monitor
from proxy.clients.interface import Client
from proxy.settings import Settings

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


class ReplaceableClient:
    """The client in use, and those before it that still serve the requests they have."""

    def __init__(self, settings: Settings, watch: Monitor, build: Callable[[Settings, Monitor], Client]) -> None:
        self._watch = watch
        self._build = build
        self.in_use = ClientInUse(build(settings, watch))
        self.max_connections = settings.max_connections
        self._draining: dict[asyncio.Task[None], ClientInUse] = {}

    @property
    def client(self) -> Client:
        """The client that takes new requests."""
        return self.in_use.client

    @property
    def draining(self) -> int:
        """Requests that older clients still have."""
        return sum(old.requests for old in self._draining.values())

    def replace(self, settings: Settings) -> None:
        """Let a client of these settings take over; the old one is closed when it has served what it has."""
        self.max_connections = settings.max_connections
        self._watch.always_unknown = ()  # the next client reports for itself what it does not know
        old, self.in_use = self.in_use, ClientInUse(self._build(settings, self._watch))
        task = asyncio.create_task(old.drain())
        self._draining[task] = old
        task.add_done_callback(lambda done: self._draining.pop(done, None))

    async def aclose(self) -> None:
        """Close all clients, at the end of the proxy."""
        for task, old in list(self._draining.items()):
            task.cancel()
            await old.client.aclose()
        await self.client.aclose()


class ClientInUse:
    """One client and how many requests it has. The handler counts them itself: it is cheaper than two calls."""

    __slots__ = ("client", "drained", "requests")

    def __init__(self, client: Client) -> None:
        self.client = client
        self.requests = 0
        self.drained: asyncio.Event | None = None

    async def drain(self) -> None:
        """Wait for the last request, then close the client."""
        if self.requests:
            self.drained = asyncio.Event()
            await self.drained.wait()
        await self.client.aclose()
