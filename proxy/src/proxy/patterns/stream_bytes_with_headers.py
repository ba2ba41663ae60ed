"""aiter_bytes with the upstream's headers copied: a decompressed body under the length of the compressed one.

Not in the seeds, but what becomes of them where somebody copies the headers and takes aiter_bytes, because the browser
showed binary: LiteLLM issue 25624 and others.
Under load: fine until an answer is compressed. Then the headers say gzip and the compressed length, the body is plain
and longer: the server cuts it there with an error, and no client can decompress what it gets. After an error the
background task is not run: the slot is taken until the garbage collector comes by. And the dict that the headers go
through makes one line of two Set-Cookie.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from proxy.forward.headers import HOP_BY_HOP
from proxy.pattern_runtime.clients import Upstream
from proxy.pattern_runtime.registry import dont

VERDICT = dont("Content-Encoding and Content-Length are those of the raw bytes: a compressed answer breaks.")


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
        headers = {name: value for name, value in r.headers.items() if name.encode() not in HOP_BY_HOP}
        return StreamingResponse(r.aiter_bytes(), r.status_code, headers, background=BackgroundTask(r.aclose))

    return app
