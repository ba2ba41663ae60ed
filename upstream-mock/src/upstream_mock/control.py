"""The app of the control port: a port of its own, so that nothing done to the data path affects it."""

import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse

from service_kit.settings_change import ChangeRefused, changeable_document, changed, read_body, started_with
from upstream_mock.clock import UnixClock
from upstream_mock.faults.runtime.parse import MOST_CHARACTERS, rules_text
from upstream_mock.metrics import CONTENT_TYPE, render
from upstream_mock.request_log import RequestLog
from upstream_mock.settings import Settings
from upstream_mock.state import CHANGEABLE, Mock

_PACKAGES = ("fastapi", "starlette", "uvicorn", "httptools", "uvloop", "pydantic", "zttp", "trustme", "cryptography")


def create_control_app(mock: Mock) -> FastAPI:
    app = FastAPI(title="upstream-mock control", openapi_url=None, redirect_slashes=False)
    router = APIRouter(prefix="/-")
    reported = lru_cache(maxsize=1)(Settings.as_config)  # the latency's figures take milliseconds
    fixed = {"versions": _versions(), "changeable": changeable_document(Settings, CHANGEABLE)}

    @router.get("/healthy")
    async def healthy() -> dict[str, str]:
        # Alive is enough: the mock depends on no other service.
        return {"status": "ok"}

    @router.get("/config")
    async def configuration() -> dict[str, Any]:
        """The settings in force under their variables' names, the latency in figures, and the versions.

        `started_with` has what those that were changed over HTTP were at the start.
        """
        before = started_with(mock.started_with, mock.settings)
        return {**reported(mock.settings), **fixed, "changed": bool(before), "started_with": before}

    @router.put("/config")
    async def other_settings(request: Request) -> dict[str, Any]:
        """Change them: a JSON object of variables, null for unset; nothing changes if one of them is bad."""
        mock.change(*changed(mock.settings, await read_body(request.receive), CHANGEABLE))
        return await configuration()

    @router.get("/stats")
    async def stats() -> dict[str, Any]:
        return mock.stats()

    @router.post("/reset")
    async def reset() -> dict[str, str]:
        mock.reset()
        return {"status": "ok"}

    @router.get("/metrics")
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(render(mock), media_type=CONTENT_TYPE)

    _add_faults(router, mock)
    app.include_router(router)
    app.include_router(_logs(mock))
    app.add_exception_handler(ChangeRefused, _refuse)
    return app


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ChangeRefused)
    return JSONResponse(error.document(), error.status)


def _add_faults(router: APIRouter, mock: Mock) -> None:
    @router.get("/faults")
    async def faults() -> dict[str, Any]:
        return mock.faults.as_json()

    @router.put("/faults")
    async def other_faults(request: Request) -> dict[str, Any]:
        """Replace them: UPSTREAM_FAULT's text, or `{"rules": [...]}`; nothing changes if one of them is bad."""
        if mock.settings.http2:
            raise ChangeRefused("UPSTREAM_HTTP2 is on, and faults are of HTTP/1.1", 409)
        body = await read_body(request.receive, 2 * MOST_CHARACTERS)
        try:
            mock.change_faults(rules_text(body, request.headers.get("content-type", "")))
        except ValueError as error:
            raise ChangeRefused(str(error)) from None
        return mock.faults.as_json()


def _logs(mock: Mock) -> APIRouter:
    """The logs. With UPSTREAM_LOG_ENTRIES=0 they are there and empty, but for the connections that are open."""
    router = APIRouter(prefix="/-")
    since_number = Annotated[int, Query(ge=0, description="the `next` of the answer before")]
    nothing = RequestLog(0, UnixClock.now())

    @router.get("/connections")
    async def connections(since: since_number = 0) -> dict[str, Any]:
        """The connections of the data port, open and closed, by id."""
        return {"kept": mock.settings.log_entries, **mock.connections.page(since)}

    @router.get("/requests")
    async def requests(run: str | None = None, since: since_number = 0) -> dict[str, Any]:
        """The requests that ended, of one run or of all."""
        return {"kept": mock.settings.log_entries, **(mock.log or nothing).page(run, since)}

    @router.get("/executions")
    async def executions() -> dict[str, Any]:
        """How often each POST or PATCH was executed, by run and by its idempotency-key or x-request-id."""
        return {"kept": mock.settings.log_entries, **(mock.log or nothing).executions.as_json()}

    return router


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # uvloop is not everywhere
            continue
    return found
