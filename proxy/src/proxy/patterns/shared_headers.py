"""A user's Authorization set on the shared client: it goes out with everybody's requests.

From the first document: a shared client "allows you to reuse headers and other settings". So somebody sets a header on
it, once, where the user is known.
Under load: the users' requests overtake one another, and each goes out with the header of who came last; one without
any is sent with another's. Pass headers with the request, never to the client.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response

from proxy.pattern_runtime.clients import Upstream
from proxy.pattern_runtime.registry import dont

VERDICT = dont("A header set on a shared client is set for every user, until the next one sets it.")


def build(upstream: Upstream) -> FastAPI:
    """Return the author's app."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
        async with upstream.async_client() as client:
            yield {"client": client}

    app = FastAPI(lifespan=lifespan, openapi_url=None)

    @app.get("/{path:path}")
    async def home(request: Request) -> Response:
        client = request.state.client
        if "authorization" in request.headers:
            client.headers["authorization"] = request.headers["authorization"]
        r = await client.get(upstream.url(request), headers=upstream.headers(request))
        return Response(r.content, r.status_code, media_type=r.headers.get("content-type"))

    return app
