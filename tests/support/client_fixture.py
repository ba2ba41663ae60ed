"""A client of the proxy by itself, without the proxy around it."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from poolwatch.counters import Cell
from poolwatch.monitor import Monitor
from poolwatch.worker_counters import WorkerCounters
from proxy.clients.interface import Client, Outbound
from proxy.clients.queueing import GatedClient
from proxy.clients.registry import CLIENTS, build_client
from proxy.errors import CODES
from proxy.settings import Settings

NAMES = list(CLIENTS)
QUEUES = ["client", "gate"]
COUNTED = ["httpx", "httpx2", "aiohttp", "httpcore"]
"""The clients that tell what becomes of a connection."""


@dataclass
class Direct:
    """A client, its counters, and the way the forwarder uses it."""

    client: Client
    counters: WorkerCounters
    watch: Monitor
    authority: bytes

    async def send(
        self,
        target: bytes = b"/",
        *headers: tuple[bytes, bytes],
        method: str = "GET",
        body: AsyncIterator[bytes] | None = None,
        on_chunk: Callable[[bytes], None] = lambda chunk: None,
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Return status, headers and body of the answer."""
        outbound = Outbound(method, target, [(b"host", self.authority), *headers], has_body=body is not None)
        with self.watch.trace() as trace:
            trace.admitted()
            answer = await self.client.send(outbound, body)
            try:
                chunks = []
                async for chunk in answer.body():
                    on_chunk(chunk)
                    chunks.append(chunk)
                return answer.status, answer.headers, b"".join(chunks)
            finally:
                with anyio.CancelScope(shield=True):
                    await answer.aclose()

    def cell(self, cell: Cell) -> int:
        """Return a counter."""
        return self.counters.cells[cell]

    @property
    def gated(self) -> GatedClient:
        """The client, where its calls queue at the gate."""
        assert isinstance(self.client, GatedClient)
        return self.client

    @property
    def free(self) -> int:
        """Free slots of the gate."""
        return self.gated.gate.free


@asynccontextmanager
async def direct(url: str, client: str, queue: str = "client", **settings: Any) -> AsyncIterator[Direct]:
    """Make a client for an upstream."""
    with tempfile.TemporaryDirectory() as directory:
        counters = WorkerCounters(Path(directory), CODES)
        watch = Monitor(counters)
        made = build_client(Settings(upstream_url=url, client=client, queue=queue, **settings), watch)
        try:
            yield Direct(made, counters, watch, url.split("//")[1].encode())
        finally:
            await made.aclose()
            await asyncio.sleep(0)
            counters.close()


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    """Yield a body piece by piece."""
    for part in parts:
        yield part
