"""The patterns of one worker: each is built and opened when it is first called, and closed with the worker."""

import asyncio
from types import ModuleType
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import Response

from poolwatch.monitor import Monitor
from poolwatch.throttled_log import ThrottledLog
from poolwatch.trace import current
from proxy.pattern_runtime.clients import Upstream
from proxy.pattern_runtime.errors import pattern_error
from proxy.pattern_runtime.registry import Pattern, discover
from proxy.settings import Settings
from service_kit.settings_change import ChangeRefused


class RunningApp:
    """A pattern at work: its app, whose lifespan runs in a task of its own, as a server runs it."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self._state: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self._live())

    async def state(self) -> dict[str, Any]:
        """Return what the lifespan yields, when it is there."""
        return await asyncio.shield(self._state)

    async def aclose(self) -> None:
        """End the lifespan."""
        self._stop.set()
        await self._task

    async def _live(self) -> None:
        try:
            async with self.app.router.lifespan_context(self.app) as state:
                self._state.set_result(dict(state or {}))
                await self._stop.wait()
        except Exception as error:
            if self._state.done():
                raise
            self._state.set_exception(error)


class PatternApps:
    """The patterns there are and those at work. Each has a pool of its own, with the limits of the settings."""

    def __init__(self, settings: Settings, watch: Monitor, package: ModuleType) -> None:
        self.watch = watch
        self.tuned = settings.tuned
        self.log = ThrottledLog("proxy.patterns")
        self._settings = settings
        self._package = package
        self._patterns: dict[str, Pattern] | None = None
        self._upstream: Upstream | None = None
        self._open: dict[str, RunningApp] = {}

    def patterns(self) -> dict[str, Pattern]:
        """Return the patterns by name."""
        if self._patterns is None:
            self._patterns = discover(self._package)
        return self._patterns

    def open(self, name: str) -> RunningApp:
        """Return a pattern at work. Raises KeyError."""
        if name not in self._open:
            pattern = self.patterns()[name]
            self._upstream = self._upstream or Upstream(self._settings, self.watch)
            app = pattern.build(self._upstream)
            app.add_exception_handler(Exception, _answer_exception)
            self._open[name] = RunningApp(app)
        return self._open[name]

    def change(self, settings: Settings) -> None:
        """Let the patterns that are opened from now on have these settings. Raises ChangeRefused if one is open."""
        if self._open:
            raise ChangeRefused(
                f"the calling pattern {next(iter(self._open))} keeps the client that it was opened with: this needs a "
                "restart; allowed: changes before the first call of a pattern",
                409,
            )
        self._settings, self._upstream = settings, None

    async def aclose(self) -> None:
        """Close every pattern that was opened."""
        for pattern in self._open.values():
            await pattern.aclose()


async def _answer_exception(_: Request, error: Exception) -> Response:
    """Answer for a pattern's exception: 500 as FastAPI does, and nothing of what the exception says."""
    failure = pattern_error(error)
    trace = current.get()
    body = failure.body(trace.request_id if trace is not None else "")
    headers = {name.decode(): value.decode() for name, value in failure.headers(body)}
    return Response(body, failure.status, headers)
