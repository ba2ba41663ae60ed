"""The proxy's own paths, `/-/...`."""

import json
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from poolwatch.ledger_reader import BadCursor
from poolwatch.metrics import CONTENT_TYPE
from proxy.admin.service import Admin
from proxy.clients.exhaustion import exhausted
from proxy.errors import CHANGE_REFUSED, ProxyError
from service_kit.settings_change import ChangeRefused, read_body

PATHS = ("/-/pool", "/-/ledger", "/-/metrics", "/-/config", "/-/ready", "/-/healthy", "/-/patterns")


class _Page(JSONResponse):
    """JSON that people read too: a line for each value."""

    def render(self, content: object) -> bytes:
        return json.dumps(content, indent=1).encode() + b"\n"


async def nothing_there(request: Request, _: Exception) -> Response:
    """Answer 404 and say what there is."""
    return _answer(request, ProxyError("not_found", f"the proxy has nothing there; it has {', '.join(PATHS)}"))


async def wrong_method(request: Request, error: Exception) -> Response:
    """Answer 405 and say what the path takes."""
    allowed = (error.headers or {}).get("Allow", "") if isinstance(error, HTTPException) else ""
    answer = _answer(request, ProxyError("bad_request", f"this path takes {allowed}"), {"allow": allowed})
    answer.status_code = 405
    return answer


async def bad_values(_: Request, error: Exception) -> Response:
    """Answer 400 with a line for each value of the query that is out of its bounds."""
    mistakes = error.errors() if isinstance(error, RequestValidationError) else []
    return _mistaken([f"{mistake['loc'][-1]}={mistake['input']!r}: {mistake['msg']}" for mistake in mistakes])


async def exhausted_answer(request: Request, error: Exception) -> Response:
    """Answer 503 if what was asked for could not be read for want of descriptors or memory."""
    if exhausted(error) is None:
        raise error
    return await failed(request, error)


async def failed(request: Request, error: Exception) -> Response:
    """Answer for what the proxy itself did wrong; the log has the reason."""
    return _answer(request, ProxyError(exhausted(error) or "internal_error"))


def _answer(request: Request, error: ProxyError, extra: dict[str, str] | None = None) -> Response:
    body = error.body(request.headers.get("x-request-id", "")) + b"\n"
    headers = {name.decode(): value.decode() for name, value in error.headers(body)}
    return Response(body, error.status, headers | (extra or {}))


def _mistaken(mistakes: list[str], status: int = 400, code: str = "bad_request") -> Response:
    return JSONResponse({"mistakes": mistakes}, status, {"x-proxy-error": code})


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

        A pool that has lost some of its slots serves; `leaked` says how many.
        """
        admin = _admin(request)
        loss = admin.loss()
        lost = {} if loss is None else {"leaked": loss.slots}
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
            return _Page(_admin(request).change(await read_body(request.receive)))
        except ChangeRefused as refused:
            return _mistaken(refused.mistakes, refused.status, CHANGE_REFUSED)


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
            return _mistaken([str(error)])
        if page is None:
            return _mistaken(["PROXY_LEDGER='false': no ledger is kept"], 404, "not_found")
        return Response(page, media_type="application/json")
