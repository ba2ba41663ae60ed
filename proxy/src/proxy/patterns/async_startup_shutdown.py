"""The shared client in `app.state`, opened by a startup event and closed by a shutdown event.

From the first document. It goes on to say that "startup and shutdown have now been deprecated (and might be completely
removed in the future)": Starlette has removed them, FastAPI keeps a copy and warns; the warning is silenced here.
Under load: no different from async_lifespan_state, from which it differs in where the client is kept. A FastAPI app
that has a lifespan as well runs that one and none of its events: the client is then never opened, and every request
ends in an AttributeError.
"""

import warnings

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from proxy.pattern_runtime.clients import Upstream
from proxy.pattern_runtime.registry import dont

VERDICT = dont("It works, but the events are deprecated and do not run beside a lifespan; use async_lifespan_state.")


def build(upstream: Upstream) -> FastAPI:
    """Return the author's app."""
    app = FastAPI(openapi_url=None)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)

        @app.on_event("startup")
        async def startup_event() -> None:
            app.state.client = upstream.async_client()

        @app.on_event("shutdown")
        async def shutdown_event() -> None:
            await app.state.client.aclose()

    @app.get("/{path:path}")
    async def home(request: Request) -> StreamingResponse:
        client = request.app.state.client
        req = client.build_request("GET", upstream.url(request), headers=upstream.headers(request))
        r = await client.send(req, stream=True)
        return StreamingResponse(r.aiter_raw(), background=BackgroundTask(r.aclose))

    return app
