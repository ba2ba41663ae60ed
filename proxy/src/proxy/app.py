"""The application: FastAPI for the proxy's own paths, the forwarder before it for all others."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TypedDict

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError

from poolwatch.ledger import Ledger
from poolwatch.monitor import Monitor
from poolwatch.worker_counters import WorkerCounters
from poolwatch.worker_slots import SlotsFile
from proxy import patterns
from proxy.admin.routes import admin_router, bad_values, exhausted_answer, failed, nothing_there, wrong_method
from proxy.admin.service import Admin
from proxy.clients.registry import build_client
from proxy.errors import CODES
from proxy.forward.context import ForwardContext
from proxy.forward.handler import ForwardingApp
from proxy.lookups import timed_lookups
from proxy.pattern_runtime.apps import PatternApps
from proxy.pattern_runtime.routes import PatternRoutes
from proxy.pattern_runtime.thread_limiter import limit_threads
from proxy.reconfigure import ReplaceableClient
from proxy.sampler import Sampler
from proxy.settings import ServerSettings, Settings


class State(TypedDict):
    """What the lifespan opens and requests find in their state."""

    forwarding: ForwardContext
    admin: Admin
    pattern_apps: PatternApps


def create_app(settings: Settings, server: ServerSettings, *, when_open: Callable[[], object] | None = None) -> FastAPI:
    """Build the proxy; nothing is opened before the start.

    `when_open` is called when everything is open and before the first request.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        async with AsyncExitStack() as stack:
            state = await _opened(stack, settings, server)
            if when_open is not None:
                when_open()
            yield state

    app = ForwardingApp(
        title="Pool Sandbox: proxy",
        lifespan=lifespan,
        openapi_url=None,
        exception_handlers={
            404: nothing_there,
            405: wrong_method,
            RequestValidationError: bad_values,
            OSError: exhausted_answer,
            Exception: failed,
        },
    )
    app.include_router(admin_router())
    app.add_middleware(PatternRoutes)
    return app


async def _opened(stack: AsyncExitStack, settings: Settings, server: ServerSettings) -> State:
    """Open what a worker needs; the stack closes it in reverse order."""
    state_dir = settings.state_dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="proxy-")))
    counters = WorkerCounters(state_dir, CODES)
    stack.callback(counters.close)
    ledger = Ledger(state_dir, settings.ledger_entries, counters) if settings.ledger else None
    if ledger is not None:
        stack.callback(ledger.close)
    stack.enter_context(timed_lookups(asyncio.get_running_loop(), counters.cells))
    watch = Monitor(counters, ledger)
    stack.callback(watch.flush)
    client = ReplaceableClient(settings, watch, build_client)
    stack.push_async_callback(client.aclose)
    limit_threads(settings.thread_tokens)
    pattern_apps = PatternApps(settings, watch, patterns)
    stack.push_async_callback(pattern_apps.aclose)
    notices = SlotsFile(state_dir) if server.workers > 1 else None
    if notices is not None:
        stack.callback(notices.close)
    sampler = Sampler(watch, counters, client, settings.leak_threshold_seconds, notices)
    stack.push_async_callback(_end, asyncio.create_task(sampler.run()))
    forwarding = ForwardContext(client, watch, settings)
    return State(
        forwarding=forwarding,
        admin=Admin(settings, server, state_dir, forwarding, pattern_apps, sampler, notices),
        pattern_apps=pattern_apps,
    )


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
