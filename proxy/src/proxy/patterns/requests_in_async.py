"""`requests` in an `async def` endpoint: the event loop stands still while the upstream works.

From the answer: "Using the async API of httpx would mean that you have to define your endpoints with async def;
otherwise, you would have to use the standard synchronous API". This is the one combination that must not be.
Under load: one call at a time, whatever the limits are, so the throughput is one divided by the upstream's latency;
and nothing else is answered meanwhile, not even a health check.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response

from proxy.pattern_runtime.clients import Upstream
from proxy.pattern_runtime.registry import dont

VERDICT = dont("It blocks the event loop: one call at a time, and nothing else is answered meanwhile.")


def build(upstream: Upstream) -> FastAPI:
    """Return the author's app."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
        with upstream.session() as session:
            yield {"session": session}

    app = FastAPI(lifespan=lifespan, openapi_url=None)

    @app.get("/{path:path}")
    async def home(request: Request) -> Response:
        session = request.state.session
        r = session.get(upstream.url(request), headers=upstream.headers(request), timeout=upstream.requests_timeout)
        return Response(r.content, r.status_code, media_type=r.headers.get("content-type"))

    return app
