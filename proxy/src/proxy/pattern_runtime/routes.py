"""`/-/patterns` and what lies under it, past the router of the proxy's app: only the pattern's own app shall cost."""

import json

from poolwatch.counters import Cell
from poolwatch.monitor import CountedRequest
from proxy.asgi import App, Receive, Scope, Send, header
from proxy.errors import ProxyError
from proxy.forward.headers import RUN_HEADER, request_id_of
from proxy.pattern_runtime.apps import PatternApps
from proxy.pattern_runtime.call import PatternCall

PREFIX = b"/-/patterns"


class PatternRoutes:
    """ASGI middleware: lists the patterns, tells of one, and calls them; everything else goes on to the app."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route on the raw path."""
        raw_path: bytes = scope["raw_path"] if scope["type"] == "http" else b""
        if raw_path not in (PREFIX, PREFIX + b"/") and not raw_path.startswith(PREFIX + b"/"):
            await self._app(scope, receive, send)
            return
        apps: PatternApps = scope["state"]["pattern_apps"]
        named, slash, _ = raw_path[len(PREFIX) + 1 :].partition(b"/")
        name = named.decode("latin-1")
        if not name:
            listed = [pattern.document() for pattern in apps.patterns().values()]
            await _answer({"patterns": listed}, 200, [], scope, send)
        elif name in apps.patterns() and not slash and scope["method"] in ("GET", "HEAD"):
            await _answer(apps.patterns()[name].whole_document(), 200, [], scope, send)
        elif name not in apps.patterns():
            await _refuse(apps, ProxyError("not_found", "no such pattern"), 404, scope, send)
        elif apps.tuned:
            await _refuse(apps, ProxyError("tuned"), 409, scope, send)
        elif scope["method"] != "GET":
            await _refuse(apps, ProxyError("bad_request", "patterns are called by GET"), 405, scope, send)
        else:
            await PatternCall(apps, name, scope, receive, send).run()


async def _refuse(apps: PatternApps, error: ProxyError, status: int, scope: Scope, send: Send) -> None:
    """Answer for what is no call of a pattern, with the names there are; counted, so that a load test adds up."""
    request_id = request_id_of(header(scope["headers"], b"x-request-id"))
    trace = apps.watch.trace(scope["method"], scope["raw_path"], request_id)
    run_id = header(scope["headers"], RUN_HEADER)
    with CountedRequest(apps.watch.counters, trace, run_id, ends=False):
        trace.outcome = Cell.FAILED
        apps.watch.counters.count_error(error.code)
    document = json.loads(error.body(trace.request_id))
    document["error"]["status"] = status
    document["patterns"] = list(apps.patterns())
    headers = [(b"x-proxy-error", error.code.encode())]
    if status == 405:
        headers.append((b"allow", b"GET"))
    await _answer(document, status, headers, scope, send)


async def _answer(document: object, status: int, headers: list[tuple[bytes, bytes]], scope: Scope, send: Send) -> None:
    body = json.dumps(document, indent=1).encode() + b"\n"
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
