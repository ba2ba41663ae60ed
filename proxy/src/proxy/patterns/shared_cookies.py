"""A shared client with httpx's own cookie jar: one user's cookies go out with another's requests.

From the first document: a shared client allows "to reuse headers and other settings [...], as well as persist cookies,
across requests". Across requests is across users: GHSA-7vwr-g6pm-9hc8, GHSA-2mr9-9r47-px2g.
Under load: nothing is slower. Whatever Set-Cookie the upstream sends to one user, a session id for one, is sent back
with everybody's requests from then on. Calls to /cookies/set?user=ann and then /cookies on the mock show it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response

from proxy.pattern_runtime.clients import Upstream
from proxy.pattern_runtime.registry import dont

VERDICT = dont("A cookie that the upstream gave to one user is sent with the requests of all others.")


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
        r = await client.get(upstream.url(request), headers=upstream.headers(request))
        return Response(r.content, r.status_code, media_type=r.headers.get("content-type"))

    return app
