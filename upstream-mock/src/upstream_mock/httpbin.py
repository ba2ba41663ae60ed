"""httpbin's endpoints on the data port. A value that httpbin would clamp is answered with 400 and the bound."""

import json
from http.cookies import CookieError
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from starlette.requests import ClientDisconnect

from upstream_mock.client import client_of
from upstream_mock.httpbin_content import (
    MAX_BODY_BYTES,
    BodyTooLongError,
    described,
    described_with_body,
    dripped,
    headers,
    json_lines,
    random_bytes,
)
from upstream_mock.state import Mock
from upstream_mock.work import server_timing

MAX_SECONDS = 10.0
MAX_BYTES = 10 * 1024 * 1024
MAX_LINES = 100
MAX_DRIP_BYTES = 10_000  # each is a write of its own

ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
_GET = ["GET", "HEAD"]
_REDIRECTS = {301, 302, 303, 305, 307, 308}

Seconds = Annotated[float, Query(ge=0, le=MAX_SECONDS, allow_inf_nan=False)]


def httpbin_router(mock: Mock) -> APIRouter:
    """Waits go through the mock's timer, and end when the client leaves."""
    router = APIRouter()
    _add_echoes(router)
    _add_bodies(router, mock)

    @router.api_route("/delay/{seconds}", methods=ALL_METHODS)
    async def delay(
        request: Request, seconds: Annotated[float, Path(ge=0, le=MAX_SECONDS, allow_inf_nan=False)]
    ) -> Response:
        """The answer of /anything, after so many seconds."""
        answer = await _anything(request)
        pause = await mock.pause(client_of(request.scope), seconds)
        if pause is not None:
            timing = server_timing(queue_ms=0.0, work_ms=pause.drawn_ms, late_ms=pause.late_ms)
            answer.headers["server-timing"] = timing.decode()
        return answer

    @router.api_route("/drip", methods=_GET)
    async def drip(
        request: Request,
        duration: Seconds = 2.0,
        numbytes: Annotated[int, Query(ge=1, le=MAX_DRIP_BYTES)] = 10,
        code: Annotated[int, Query(ge=200, le=599)] = 200,
        delay: Seconds = 2.0,
    ) -> Response:
        """So many bytes one by one over `duration` seconds, the headers after `delay` seconds."""
        client = client_of(request.scope)
        await mock.pause(client, delay)
        drops = dripped(mock, client, count=numbytes, seconds=duration)
        return StreamingResponse(drops, code, {"content-length": str(numbytes)}, "application/octet-stream")

    return router


def _add_echoes(router: APIRouter) -> None:
    @router.api_route("/get", methods=_GET)
    async def get(request: Request) -> dict[str, object]:
        return described(request)

    @router.api_route("/headers", methods=_GET)
    async def asked_headers(request: Request) -> dict[str, object]:
        return {"headers": headers(request)}

    for method in ("post", "put", "patch", "delete"):
        router.add_api_route(f"/{method}", _anything, methods=[method.upper()])
    router.add_api_route("/anything", _anything, methods=ALL_METHODS)
    router.add_api_route("/anything/{rest:path}", _anything, methods=ALL_METHODS)

    @router.api_route("/status/{code}", methods=ALL_METHODS)
    async def status(code: Annotated[int, Path(ge=200, le=599)]) -> Response:
        """This status and no body; a redirect leads to /get."""
        return Response(status_code=code, headers={"location": "/get"} if code in _REDIRECTS else None)

    @router.api_route("/cookies", methods=_GET)
    async def cookies(request: Request) -> dict[str, object]:
        return {"cookies": request.cookies}

    @router.api_route("/cookies/set", methods=_GET)
    async def set_cookies(request: Request) -> Response:
        """Set the query's names as cookies, then to /cookies."""
        answer = RedirectResponse("/cookies", 302)
        for name, value in request.query_params.multi_items():
            try:
                answer.set_cookie(name, value)
            except (CookieError, UnicodeError):
                raise HTTPException(400, f"{name!r} with this value cannot be a cookie") from None
        return answer


def _add_bodies(router: APIRouter, mock: Mock) -> None:
    @router.api_route("/bytes/{n}", methods=_GET)
    async def some_bytes(
        n: Annotated[int, Path(ge=0, le=MAX_BYTES)], seed: Annotated[int | None, Query()] = None
    ) -> Response:
        """So many random bytes, streamed; the same for the same seed (UPSTREAM_SEED if none is given)."""
        pieces = random_bytes(n, mock.settings.seed if seed is None else seed)
        return StreamingResponse(pieces, 200, {"content-length": str(n)}, "application/octet-stream")

    @router.api_route("/stream/{n}", methods=_GET)
    async def stream(request: Request, n: Annotated[int, Path(ge=0, le=MAX_LINES)]) -> Response:
        """So many lines of JSON, each a chunk."""
        return StreamingResponse(json_lines(described(request), n), media_type="application/json")


async def _anything(request: Request) -> Response:
    try:
        document = await described_with_body(request)
    except BodyTooLongError:
        raise HTTPException(413, f"the body is longer than {MAX_BODY_BYTES} bytes") from None
    except ClientDisconnect:
        return Response(status_code=400)  # the client is gone, so it is not sent
    # ASCII only: a lone surrogate in a request's JSON can be escaped but not encoded.
    return Response(json.dumps(document), media_type="application/json")
