"""The answer that is copied everywhere, as it is copied: the side that the proxy is held against.

A FastAPI route, one AsyncClient in the lifespan, `send(stream=True)`, StreamingResponse, BackgroundTask(aclose).
UPSTREAM_URL and CONNECTIONS come from the environment.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

CONNECTIONS = int(os.environ["CONNECTIONS"])


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """Open the client on startup and close it on shutdown."""
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with httpx.AsyncClient(base_url=os.environ["UPSTREAM_URL"], limits=limits) as client:
        yield {"client": client}


app = FastAPI(lifespan=lifespan)


@app.get("/{path:path}")
async def forward(request: Request, path: str) -> StreamingResponse:
    """Send the request on and stream the answer back."""
    client: httpx.AsyncClient = request.state.client
    answer = await client.send(client.build_request("GET", f"/{path}"), stream=True)
    return StreamingResponse(answer.aiter_raw(), background=BackgroundTask(answer.aclose))
