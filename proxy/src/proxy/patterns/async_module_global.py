"""`client = httpx.AsyncClient()` at module level, closed by a shutdown event, streamed by aiter_text.

From the second document, with its aiter_text. (Its route is "https://stackoverflow.com/", which FastAPI takes and no
request can match: that app answers 404 to everything. `build` stands for the module's body.)
Under load: like any shared client; and aiter_text destroys every body that is no text. The client is made at import,
when settings may not be known yet, and only once: the first shutdown closes it for good, so an app that is started
twice in a process (as tests do) raises on every call. The event is deprecated; a lifespan does better.
"""

import warnings

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from proxy.pattern_runtime.clients import Upstream
from proxy.pattern_runtime.registry import dont

VERDICT = dont("A client made at import belongs to no event loop and to every test; let the lifespan open it.")


def build(upstream: Upstream) -> FastAPI:
    """Return the author's app."""
    client = upstream.async_client()
    app = FastAPI(openapi_url=None)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)

        @app.on_event("shutdown")
        async def shutdown_event() -> None:
            await client.aclose()

    @app.get("/{path:path}")
    async def home(request: Request) -> StreamingResponse:
        req = client.build_request("GET", upstream.url(request), headers=upstream.headers(request))
        r = await client.send(req, stream=True)
        return StreamingResponse(r.aiter_text(), background=BackgroundTask(r.aclose))

    return app
