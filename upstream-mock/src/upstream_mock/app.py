"""The app of the data port: FastAPI with httpbin's endpoints, and /work before its router."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from upstream_mock.asgi import Receive, Scope, Send
from upstream_mock.client import CLIENT_KEY
from upstream_mock.httpbin import httpbin_router
from upstream_mock.scope_headers import collect_headers
from upstream_mock.settings import Settings
from upstream_mock.state import Mock
from upstream_mock.work import Work

WORK_PATH = "/work"


class DataApp(FastAPI):
    """FastAPI, but for one path: router and middleware cost /work three quarters of its requests per second."""

    def __init__(self, mock: Mock, **extra: Any) -> None:
        super().__init__(**extra)
        self.mock = mock
        self._work = Work(mock)
        self._faults = mock.faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        if CLIENT_KEY not in scope:  # under another server
            collect_headers(scope)
        if self._faults.may_apply(scope):
            if not await self._faults.serve(self._answer, scope, receive, send) and scope["path"] == WORK_PATH:
                self._work.skip()
        elif scope["path"] == WORK_PATH:
            await self._work(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._work if scope["path"] == WORK_PATH else super().__call__
        await app(scope, receive, send)


def create_app(settings: Settings | None = None, mock: Mock | None = None) -> DataApp:
    """The app of the data port. Give `mock` to share it with the control app; its settings win then."""
    mock = mock or Mock(settings or Settings())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with mock.running():
            yield

    # No documentation pages: every path that is not ours is a 404, /-/ among them, which is the control port's.
    app = DataApp(mock, title="upstream-mock", lifespan=lifespan, openapi_url=None, redirect_slashes=False)
    app.include_router(httpbin_router(mock))
    app.add_exception_handler(RequestValidationError, _refuse)
    return app


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    """A number out of its bounds: 400 as httpbin answers, and the bound in words."""
    mistakes = error.errors() if isinstance(error, RequestValidationError) else []
    return JSONResponse({"detail": "; ".join(f"{mistake['loc'][-1]}: {mistake['msg']}" for mistake in mistakes)}, 400)
