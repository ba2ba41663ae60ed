"""The shared client in the lifespan's state, streamed through by aiter_raw: the answer itself.

From the first document, which has it from Starlette's; one thing is added, a cookie jar that keeps nothing (see
shared_cookies for the same without it).
Under load: PROXY_MAX_CONNECTIONS is kept, and who finds all of them busy waits, up to the pool time-out: then
httpx.PoolTimeout, which nothing here catches, is a 500. Connections are reused as long as no more are open than
PROXY_MAX_KEEPALIVE_CONNECTIONS; beyond it httpcore 1.0.9 closes each after its answer (encode/httpcore issue 1000), so
that the answer's own limits, 5 of 10, reuse next to nothing with 20 users: make the two limits equal.
As it is written it passes on the body only: an upstream's 404 or 500 becomes a 200, and a compressed body goes out
without its Content-Encoding. The slot is given back when the body is through, when its caller leaves and when the
upstream fails.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from proxy.pattern_runtime.clients import Upstream
from proxy.pattern_runtime.registry import use_it

VERDICT = use_it("It is the right place for the client; pass status and headers on as well: stream_raw_with_headers.")


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
        return StreamingResponse(r.aiter_raw(), background=BackgroundTask(r.aclose))

    return app
