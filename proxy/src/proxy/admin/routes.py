"""The proxy's own paths, `/-/...`."""

import json
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from poolwatch.ledger_reader import BadCursor
from poolwatch.metrics import CONTENT_TYPE
from proxy.admin.service import Admin
from proxy.clients.exhaustion import exhausted
from proxy.errors import ProxyError
from service_kit.settings_change import ChangeRefused, read_body

PATHS = ("/-/pool", "/-/ledger", "/-/metrics", "/-/config", "/-/ready", "/-/healthy", "/-/patterns")


class _Page(JSONResponse):
    """JSON that people read too: a line for each value."""

    def render(self, content: object) -> bytes:
        return json.dumps(content, indent=1).encode() + b"\n"


async def nothing_there(request: Request, _: Exception) -> Response:
    """Answer 404 and say what there is."""
    error = ProxyError("not_found", f"the proxy has nothing there; it has {', '.join(PATHS)}")
    body = error.body(request.headers.get("x-request-id", "")) + b"\n"
    headers = {"x-proxy-error": error.code}
    return Response(body, error.status, headers=headers, media_type="application/json")


async def exhausted_answer(request: Request, error: Exception) -> Response:
    """Answer 503 if what was asked for could not be read for want of descriptors or memory."""
    lacking = exhausted(error)
    if lacking is None:
        raise error
    failure = ProxyError(lacking)
    body = failure.body(request.headers.get("x-request-id", ""))
    return Response(body, failure.status, headers={n.decode(): v.decode() for n, v in failure.headers(body)})


def _admin(request: Request) -> Admin:
    admin: Admin = request.state.admin
    return admin


def admin_router() -> APIRouter:
    """Return the router of the proxy's own paths."""
    router = APIRouter(prefix="/-")
    _add_health(router)
    _add_config(router)
    _add_figures(router)
    return router


def _add_health(router: APIRouter) -> None:
    @router.get("/healthy")
    async def healthy() -> dict[str, str]:
        """Answer as long as the process serves."""
        return {"status": "ok"}

    @router.get("/ready")
    async def ready(request: Request) -> Response:
        """Answer 200 if the pool can serve and the upstream takes a connection, else 503 and why.

        A pool that has lost some of its slots serves; `lost_slots` says how many.
        """
        admin = _admin(request)
        loss = admin.loss()
        lost = {} if loss is None else {"lost_slots": loss.slots}
        because = loss.sentence if loss is not None and loss.is_total else await admin.upstream_fails_because()
        if because is None:
            return JSONResponse({"status": "ready"} | lost)
        return JSONResponse({"status": "not ready", "because": because} | lost, status_code=503)


def _add_config(router: APIRouter) -> None:
    @router.get("/config")
    async def config(request: Request) -> Response:
        """Return the settings in force."""
        return _Page(_admin(request).config())

    @router.put("/config")
    async def change(request: Request) -> Response:
        """Change the pool's limits and time-outs: a JSON object of variables, null for unset."""
        try:
            return _Page(_admin(request).change(await read_body(request.stream())))
        except ChangeRefused as refused:
            return JSONResponse(refused.document(), status_code=refused.status)


def _add_figures(router: APIRouter) -> None:
    @router.get("/pool")
    async def pool(request: Request) -> Response:
        """Return the pool from inside, summed over the workers."""
        return _Page(await _admin(request).pool())

    @router.get("/metrics")
    async def metrics(request: Request) -> PlainTextResponse:
        """Return the metrics, summed over the workers."""
        return PlainTextResponse(await _admin(request).metrics(), media_type=CONTENT_TYPE)

    @router.get("/ledger")
    async def ledger(
        request: Request, since: str | None = None, limit: Annotated[int, Query(ge=1, le=10_000)] = 1000
    ) -> Response:
        """Return the finished requests after a cursor, those of all workers merged by time."""
        try:
            page = await _admin(request).ledger(since, limit)
        except BadCursor as error:
            return JSONResponse({"mistakes": [str(error)]}, status_code=400)
        if page is None:
            return JSONResponse({"mistakes": ["PROXY_LEDGER='false': no ledger is kept"]}, status_code=404)
        return Response(page, media_type="application/json")
