"""The generator of chunk_generator with the close where it belongs: in a finally.

The first document's generator, put right.
Under load: no difference from chunk_generator could be brought about on these versions: a caller who leaves, an
upstream that fails and an error of your own between two chunks give the slot back at once either way. Here the code
itself says so, and it holds wherever nobody counts references for it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from proxy.pattern_runtime.clients import Upstream
from proxy.pattern_runtime.registry import use_it

VERDICT = use_it("If chunks have to be looked at here: whichever way the loop ends, the answer is closed.")


def build(upstream: Upstream) -> FastAPI:
    """Return the author's app."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        async with upstream.async_client(cookies=no_cookies) as client:
            yield {"client": client}

    app = FastAPI(lifespan=lifespan, openapi_url=None)

    @app.get("/{path:path}")
    async def home(request: Request) -> StreamingResponse:
        client = request.state.client
        req = client.build_request("GET", upstream.url(request), headers=upstream.headers(request))
        r = await client.send(req, stream=True)

        async def gen() -> AsyncIterator[bytes]:
            try:
                async for chunk in r.aiter_raw():
                    yield chunk
            finally:
                await r.aclose()

        return StreamingResponse(gen())

    return app
