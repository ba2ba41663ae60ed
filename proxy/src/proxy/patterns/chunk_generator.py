"""A generator that reads chunk by chunk and closes the answer after its last: no finally.

From the first document: "If, for any reason, you need to read the content chunk by chunk on server side".
Under load: as stream_aiter_raw. When the caller leaves or the upstream fails, the line after the loop is never reached,
and one expects a leak. There is none, with uvicorn 0.54, Starlette 1.10 and httpx 0.28: the cancellation, or the error,
strikes inside the loop while it waits for the upstream, and httpcore closes what it was reading; after an error of your
own between two chunks CPython drops the iterator, which comes to the same. It is all the libraries' doing.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from proxy.pattern_runtime.clients import Upstream
from proxy.pattern_runtime.registry import dont

VERDICT = dont("Its close is skipped whenever the loop does not end; that no slot leaks then is the libraries' luck.")


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

        async def gen() -> AsyncIterator[bytes]:
            async for chunk in r.aiter_raw():
                yield chunk
            await r.aclose()

        return StreamingResponse(gen())

    return app
