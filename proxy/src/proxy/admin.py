"""The proxy's own paths, `/-/...`: health, settings in force, the pool from inside, metrics."""

import asyncio
import os
import platform
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fastapi
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from proxy import board
from proxy.clients import Client
from proxy.counters import Cell, Counters
from proxy.metrics import exposition
from proxy.pool import pool_document
from proxy.settings import ServerSettings, Settings, in_force

READY_WITHIN_SECONDS = 1.0


class Admin:
    """What the admin paths answer from. One for each worker; its figures are sums over all workers."""

    def __init__(
        self, settings: Settings, server: ServerSettings, state_dir: Path, client: Client, counters: Counters
    ) -> None:
        self._settings = settings
        self._server = server
        self._state_dir = state_dir
        self._client = client
        self._counters = counters

    def config(self) -> dict[str, Any]:
        """Return the settings in force and the versions at work."""
        versions = {"python": platform.python_version(), "fastapi": fastapi.__version__} | self._client.versions()
        return {
            "service": "proxy",
            "settings": in_force(self._settings, self._server),
            "versions": versions | {"uvicorn": _uvicorn_version()},
            "pool": {
                "workers": self._server.workers,
                "max_connections_per_worker": self._settings.max_connections,
                "max_connections": self._server.workers * self._settings.max_connections,
            },
        }

    def pool(self) -> dict[str, Any]:
        """Return the pool of all workers together."""
        return pool_document(self._sums(), self._settings, self._server.workers)

    def metrics(self) -> str:
        """Return the metrics in Prometheus' text format."""
        return exposition(self._sums(), self._settings, self._server.workers)

    async def not_ready_because(self) -> str | None:
        """Return why no request could be forwarded now, or None if one could."""
        url = urlsplit(self._settings.upstream_url)
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            async with asyncio.timeout(READY_WITHIN_SECONDS):
                _, writer = await asyncio.open_connection(url.hostname, port)
        except TimeoutError:
            return f"the upstream did not take a connection within {READY_WITHIN_SECONDS:g} s"
        except OSError as error:
            return f"the upstream took no connection: {os.strerror(error.errno) if error.errno else 'unknown name'}"
        writer.close()
        return None

    def _sums(self) -> board.Sums:
        self._counters.cells[Cell.CPU_NS] = time.process_time_ns()
        return board.read(self._state_dir)


def _uvicorn_version() -> str:
    import uvicorn

    return uvicorn.__version__


def _admin(request: Request) -> Admin:
    admin: Admin = request.state.admin
    return admin


def admin_router() -> APIRouter:
    """Return the router of the proxy's own paths."""
    router = APIRouter(prefix="/-")

    @router.get("/healthy")
    async def healthy() -> dict[str, str]:
        """Answer as long as the process serves."""
        return {"status": "ok"}

    @router.get("/ready")
    async def ready(request: Request) -> Response:
        """Answer 200 if the upstream takes a connection, else 503 and why."""
        because = await _admin(request).not_ready_because()
        if because is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready", "because": because}, status_code=503)

    @router.get("/config")
    async def config(request: Request) -> dict[str, Any]:
        """Return the settings in force."""
        return _admin(request).config()

    @router.get("/pool")
    async def pool(request: Request) -> dict[str, Any]:
        """Return the pool from inside, summed over the workers."""
        return _admin(request).pool()

    @router.get("/metrics")
    async def metrics(request: Request) -> PlainTextResponse:
        """Return the metrics, summed over the workers."""
        return PlainTextResponse(_admin(request).metrics(), media_type="text/plain; version=0.0.4")

    return router
