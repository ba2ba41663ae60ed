"""StreamingResponse over `r.aiter_raw()`: the upstream's bytes as they come, and BackgroundTask(r.aclose).

From the first document: "streaming the response back to the client".
Under load: the least work of the four. The bytes are the upstream's, so with a compressed answer (httpx asks for gzip
on its own account) the caller gets gzip that nothing says is gzip: as written, no header is passed on, nor the status.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from proxy.pattern_runtime.clients import Upstream
from proxy.pattern_runtime.registry import dont

VERDICT = dont(
    "A compressed body goes out unlabelled, every status is 200; stream_raw_with_headers is the whole of it."
)


def build(upstream: Upstream) -> FastAPI:
    """Return the author's app."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
        async with upstream.async_client() as client:
            yield {"client": client}

    app = FastAPI(lifespan=lifespan, openapi_url=None)

    @app.get("/{path:path}")
    async def home(request: Request) -> StreamingResponse:
        client = request.state.client
        req = client.build_request("GET", upstream.url(request), headers=upstream.headers(request))
        r = await client.send(req, stream=True)
        return StreamingResponse(r.aiter_raw(), background=BackgroundTask(r.aclose))

    return app
