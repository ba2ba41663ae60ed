"""The application: FastAPI for the proxy's own paths, the forwarder before it for all others."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TypedDict

from fastapi import FastAPI

from proxy.admin import Admin, admin_router
from proxy.clients import Client
from proxy.clients.httpx_client import HttpxClient
from proxy.counters import Cell, Counters
from proxy.forwarder import Forwarder, Upstreams
from proxy.settings import ServerSettings, Settings
from proxy.watch import PoolWatch

CPU_EVERY_SECONDS = 0.5


class State(TypedDict):
    """What the lifespan opens and requests find in their state."""

    upstreams: Upstreams
    admin: Admin


def create_app(settings: Settings | None = None, server: ServerSettings | None = None) -> FastAPI:
    """Build the proxy. Settings come from the environment unless they are given; nothing is opened before the start."""
    settings = settings or Settings()
    server = server or ServerSettings()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        async with AsyncExitStack() as stack:
            state_dir = settings.state_dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="proxy-")))
            counters = Counters(state_dir)
            stack.callback(counters.close)
            client = build_client(settings, PoolWatch(counters))
            stack.push_async_callback(client.aclose)
            cpu = asyncio.create_task(_keep_cpu_time(counters))
            stack.push_async_callback(_end, cpu)
            yield State(
                upstreams=Upstreams(client, counters, settings.upstream_url),
                admin=Admin(settings, server, state_dir, client, counters),
            )

    app = FastAPI(title="Pool Sandbox: proxy", lifespan=lifespan, openapi_url=None)
    app.include_router(admin_router())
    app.add_middleware(Forwarder)
    return app


def build_client(settings: Settings, watch: PoolWatch) -> Client:
    """Return the client that PROXY_CLIENT names."""
    return HttpxClient(settings, watch)


async def _keep_cpu_time(counters: Counters) -> None:
    """Write down now and then what this worker has used: another worker answers for it too."""
    while True:
        counters.cells[Cell.CPU_NS] = time.process_time_ns()
        await asyncio.sleep(CPU_EVERY_SECONDS)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
