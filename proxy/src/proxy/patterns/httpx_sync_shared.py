"""One `httpx.Client` for all threads of `def` endpoints.

From the answer's quotation: "HTTPX is intended to be thread-safe, and yes, a single client-instance across all threads
will do better in terms of connection pooling, than using an instance-per-thread."
Under load: never more than PROXY_MAX_CONNECTIONS connections, whatever the number of threads; a thread that finds all
of them busy waits with its thread token in its hand, up to the pool time-out. With fewer kept alive than allowed,
httpcore 1.0.9 closes most after their answer (see async_lifespan_state): the quotation is right about connections only
if the two limits are equal. Compare httpx_sync_per_thread.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy

from fastapi import FastAPI, Request, Response

from proxy.pattern_runtime.clients import Upstream
from proxy.pattern_runtime.registry import use_it

VERDICT = use_it("In a `def` endpoint it is right: the limit is one for all threads.")


def build(upstream: Upstream) -> FastAPI:
    """Return the author's app."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        with upstream.sync_client(cookies=no_cookies) as client:
            yield {"client": client}

    app = FastAPI(lifespan=lifespan, openapi_url=None)

    @app.get("/{path:path}")
    def home(request: Request) -> Response:
        r = request.state.client.get(upstream.url(request), headers=upstream.headers(request))
        return Response(r.content, r.status_code, media_type=r.headers.get("content-type"))

    return app
