"""The control port: healthy, config and its change, stats. Nothing of it is on the data path."""

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from link.controller import Controller, RefusedError
from link.reconfigure import LARGEST_BODY, MistakenError, changed


def create_app(state: Controller) -> FastAPI:
    """Return the control application of a link."""
    app = FastAPI(title="link", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/-/healthy")
    async def healthy() -> JSONResponse:
        """Healthy once the engine stands and has measured itself."""
        if state.ready:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "starting"}, status_code=503)

    @app.get("/-/config")
    async def config() -> dict[str, Any]:
        """Tell settings, versions, the engine and why, configured beside measured."""
        return state.config()

    @app.put("/-/config", response_model=None)
    async def change(request: Request) -> Response | dict[str, Any]:
        """Change conditions while the link runs, all or nothing: 400 and a line per mistake, 409 if it cannot be."""
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > LARGEST_BODY:
                return PlainTextResponse(f"the body is longer than {LARGEST_BODY} bytes\n", status_code=400)
        try:
            state.change(*changed(state.settings, body))
        except MistakenError as error:
            return PlainTextResponse(f"{error}\n", status_code=400)
        except RefusedError as error:
            return PlainTextResponse(f"{error}\n", status_code=409)
        return state.config()

    @app.get("/-/stats")
    async def stats() -> dict[str, Any]:
        """Tell what has passed, how late, and what it cost."""
        return state.stats()

    return app
