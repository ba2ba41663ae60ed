"""The control port: healthy, config, stats. Nothing of it is on the data path."""

from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from link.state import State


def create_app(state: State) -> FastAPI:
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

    @app.get("/-/stats")
    async def stats() -> dict[str, Any]:
        """Tell what has passed, how late, and what it cost."""
        return state.stats()

    return app
