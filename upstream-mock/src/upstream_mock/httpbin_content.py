"""The bodies of httpbin's endpoints: what a request was, as plain data, and bodies that are streamed."""

import base64
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from random import Random
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request

from upstream_mock.client import Client
from upstream_mock.state import Mock

MAX_BODY_BYTES = 16 * 1024 * 1024
PIECE_BYTES = 65_536


class BodyTooLongError(Exception):
    """A request body longer than MAX_BODY_BYTES."""


def described(request: Request) -> dict[str, Any]:
    """Arguments, headers, address and URL: the body of /get."""
    return {
        "args": gathered(request.query_params.multi_items()),
        "headers": headers(request),
        "origin": request.client.host if request.client else "",
        "url": str(request.url),
    }


async def described_with_body(request: Request) -> dict[str, Any]:
    """The body of /anything and its kin; BodyTooLongError beyond the bound. Parts of multipart stay in `data`."""
    body = await read_body(request)
    form: dict[str, Any] = {}
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        form = gathered(parse_qsl(body.decode("latin-1"), keep_blank_values=True))
    return {
        **described(request),
        "data": "" if form else text_or_base64(body),
        "files": {},
        "form": form,
        "json": json_or_none(body),
        "method": request.method,
    }


def headers(request: Request) -> dict[str, str]:
    """Header names in Title-Case as httpbin has them, values of one name joined by commas."""
    joined: dict[str, str] = {}
    for name, value in request.headers.items():
        title = name.title()
        joined[title] = f"{joined[title]},{value}" if title in joined else value
    return joined


def gathered(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Names to values; a name that comes more than once has the list of them."""
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in lists.items()}


async def read_body(request: Request) -> bytes:
    """Raises BodyTooLongError."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLongError
    return bytes(body)


def text_or_base64(body: bytes) -> str:
    """UTF-8 text as it is, anything else as httpbin's data URL."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return "data:application/octet-stream;base64," + base64.b64encode(body).decode()


def json_or_none(body: bytes) -> object:
    """The body as JSON, None if it is none (NaN, which could not be sent back, and nesting without end included)."""
    try:
        return json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> object:
    raise ValueError(constant)


async def random_bytes(count: int, seed: int) -> AsyncIterator[bytes]:
    """`count` bytes in pieces; they depend on the seed only, not on the pieces."""
    draw = Random(seed)
    for start in range(0, count, PIECE_BYTES):
        yield draw.randbytes(min(PIECE_BYTES, count - start))


async def dripped(mock: Mock, client: Client, *, count: int, seconds: float) -> AsyncIterator[bytes]:
    """`count` asterisks one by one, the first at once and the last after `seconds`; stops when the client leaves."""
    yield b"*"
    for _ in range(count - 1):
        if await mock.pause(client, seconds / (count - 1)) is None:
            return
        yield b"*"


async def json_lines(described_request: Mapping[str, object], count: int) -> AsyncIterator[bytes]:
    """`count` lines with the same content, numbered by `id`."""
    for number in range(count):
        yield json.dumps({"id": number, **described_request}).encode() + b"\n"
