"""`requests.get(url)` in a `def` endpoint: a new session, and so a new connection, for every call.

From the question: "it makes a request to yet another API", with the library that everybody knows.
Under load: every call pays for a connection (and TLS), so the upstream accepts as many connections as it gets
requests; no limit of connections applies, only that of threads: calls beyond PROXY_THREAD_TOKENS wait for a thread.
Unlike httpx, requests follows redirects. Nothing is carried from user to user.
"""

from fastapi import FastAPI, Request, Response

from proxy.pattern_runtime.clients import Upstream
from proxy.pattern_runtime.registry import dont

VERDICT = dont("It opens a connection for every call and closes it again; nothing bounds how many there are.")


def build(upstream: Upstream) -> FastAPI:
    """Return the author's app."""
    app = FastAPI(openapi_url=None)

    @app.get("/{path:path}")
    def home(request: Request) -> Response:
        with upstream.session() as session:  # requests.get(...) is these two lines and no more
            r = session.get(upstream.url(request), headers=upstream.headers(request), timeout=upstream.requests_timeout)
        return Response(r.content, r.status_code, media_type=r.headers.get("content-type"))

    return app
