"""The control port: health, configuration and its change, counters. None of it is on the data path."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from link.controller import Controller
from link.settings import CHANGEABLE
from service_kit.settings_change import ChangeRefused, changed, read_body


def create_app(controller: Controller) -> FastAPI:
    """Return the control application of a link."""
    app = FastAPI(title="link", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/-/healthy")
    async def healthy() -> JSONResponse:
        if controller.ready:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "starting"}, status_code=503)

    @app.get("/-/config")
    async def config() -> dict[str, Any]:
        return controller.config()

    @app.put("/-/config", response_model=None)
    async def change(request: Request) -> JSONResponse | dict[str, Any]:
        try:
            body = await read_body(request.receive)
            controller.change(*changed(controller.settings, body, CHANGEABLE))
        except ChangeRefused as refused:
            return JSONResponse(refused.document(), refused.status)
        return controller.config()

    @app.get("/-/stats")
    async def stats() -> dict[str, Any]:
        return controller.stats()

    return app
