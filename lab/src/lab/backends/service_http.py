"""Requests to the services."""

import asyncio
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping

from pydantic import JsonValue

from lab.wire.service import Document, UnexpectedAnswer, Unready, parse

_ANSWER_SECONDS = 5.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Without the shell's http_proxy: the services are on this machine."""


async def get(url: str) -> tuple[int, bytes]:
    """Return status and body; raise OSError, which TimeoutError is, if there is no answer."""
    return await asyncio.to_thread(_exchange, urllib.request.Request(url))


async def get_document(url: str, model: type[Document]) -> Document | None:
    """Return the document at a URL, None if there is no answer or another one."""
    return await _document(urllib.request.Request(url), model)


async def put_document(url: str, body: Mapping[str, JsonValue], model: type[Document]) -> Document | None:
    """Put a JSON object; return the document that is answered, None if it is refused or there is no answer."""
    return await _document(urllib.request.Request(url, json.dumps(body).encode(), method="PUT"), model)


async def send(method: str, url: str, body: Mapping[str, JsonValue]) -> tuple[int, bytes]:
    """Send a JSON object; return status and body, raise OSError if there is no answer."""
    return await asyncio.to_thread(_exchange, urllib.request.Request(url, json.dumps(body).encode(), method=method))


def unready_reason(body: bytes) -> str:
    """Return the reason in the body of a /-/ready that is not 200, "" if there is none."""
    try:
        return parse(Unready, body, "/-/ready").because
    except UnexpectedAnswer:
        return ""


async def _document(request: urllib.request.Request, model: type[Document]) -> Document | None:
    try:
        status, body = await asyncio.to_thread(_exchange, request)
        return parse(model, body, request.full_url) if status == 200 else None
    except (OSError, UnexpectedAnswer):
        return None


def _exchange(request: urllib.request.Request) -> tuple[int, bytes]:
    try:
        with _OPENER.open(request, timeout=_ANSWER_SECONDS) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"{request.full_url} does not speak HTTP: {error}") from None
