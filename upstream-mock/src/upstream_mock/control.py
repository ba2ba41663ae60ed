"""The control side: the mock's own pages on a port of their own, so that nothing done to the data path touches them."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request
from fastapi.responses import PlainTextResponse

from upstream_mock.clock import Clock
from upstream_mock.faults.runtime.http_api import rules_of
from upstream_mock.metrics import CONTENT_TYPE, render
from upstream_mock.request_log import RequestLog
from upstream_mock.state import Mock

_PACKAGES = ("fastapi", "starlette", "uvicorn", "httptools", "uvloop", "pydantic", "zttp", "trustme", "cryptography")


def create_control_app(mock: Mock) -> FastAPI:
    """The app of the control port, reading `mock`."""
    app = FastAPI(title="upstream-mock control", openapi_url=None, redirect_slashes=False)
    router = APIRouter(prefix="/-")
    config: dict[str, object] = {
        "service": "upstream-mock",
        "settings": mock.settings.variables(),
        "versions": _versions(),
    }

    @router.get("/healthy")
    async def healthy() -> dict[str, str]:
        """Alive, which is all there is to know: the mock needs nobody."""
        return {"status": "ok"}

    @router.get("/config")
    async def configuration() -> dict[str, object]:
        """The settings it started with under their variables' names, and the versions of what it runs on.

        `changed`: the faults are others than those of its settings by now.
        """
        return {**config, "changed": mock.faults.changed}

    @router.get("/stats")
    async def stats() -> dict[str, object]:
        """Everything counted, in one document."""
        return mock.stats()

    @router.post("/reset")
    async def reset() -> dict[str, str]:
        """Zero the counters."""
        mock.reset()
        return {"status": "ok"}

    @router.get("/metrics")
    async def metrics() -> PlainTextResponse:
        """The same numbers for Prometheus."""
        return PlainTextResponse(render(mock), media_type=CONTENT_TYPE)

    _add_faults(router, mock)
    app.include_router(router)
    app.include_router(_witness(mock))
    return app


def _add_faults(router: APIRouter, mock: Mock) -> None:
    @router.get("/faults")
    async def faults() -> dict[str, object]:
        """The rules in force and how often each struck."""
        return mock.faults.as_json()

    @router.put("/faults")
    async def other_faults(request: Request) -> dict[str, object]:
        """Replace them: UPSTREAM_FAULT's text, or `{"rules": [...]}`; nothing changes if one of them is bad."""
        if mock.settings.http2:
            raise HTTPException(409, "UPSTREAM_HTTP2 is on, and faults are of HTTP/1.1")
        try:
            mock.faults.replace(await rules_of(request))
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        return mock.faults.as_json()


def _witness(mock: Mock) -> APIRouter:
    """The logs. With UPSTREAM_LOG_ENTRIES=0 they are there and empty, but for the connections that are open."""
    router = APIRouter(prefix="/-")
    since_number = Annotated[int, Query(ge=0, description="the `next` of the answer before")]
    nothing = RequestLog(0, Clock.now())

    @router.get("/connections")
    async def connections(since: since_number = 0) -> dict[str, object]:
        """The connections of the data port, open and closed, by id."""
        return {"kept": mock.settings.log_entries, **mock.connections.page(since)}

    @router.get("/requests")
    async def requests(run: str | None = None, since: since_number = 0) -> dict[str, object]:
        """The requests that ended, of one run or of all."""
        return {"kept": mock.settings.log_entries, **(mock.log or nothing).page(run, since)}

    @router.get("/executions")
    async def executions() -> dict[str, object]:
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
