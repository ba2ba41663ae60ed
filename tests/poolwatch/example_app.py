"""An app of anybody's with one shared httpx client, and its pool under watch: two lines of it are poolwatch."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI, Request

import poolwatch


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
    limits = httpx.Limits(max_connections=2)
    async with httpx.AsyncClient(base_url=os.environ["EXAMPLE_UPSTREAM"], limits=limits, timeout=5.0) as client:
        watch = poolwatch.observe(client)
        yield {"client": client, "watch": watch}


app = FastAPI(lifespan=lifespan)


@app.get("/pool")
async def pool(request: Request) -> dict[str, Any]:
    snapshot: dict[str, Any] = request.state.watch.snapshot()
    return snapshot


@app.get("/leaky")
async def leaky(request: Request) -> int:
    client: httpx.AsyncClient = request.state.client
    answer = await client.send(client.build_request("GET", "/leaked"), stream=True)
    return answer.status_code  # and nobody closes it


@app.get("/{path}")
async def fetch(path: str, request: Request) -> str:
    client: httpx.AsyncClient = request.state.client
    return (await client.get(f"/{path}")).text
