"""The proxy's own paths as a stranger uses them: what is refused has a code, and nothing leaves a trace in the log."""

import asyncio
import json
import logging
import socket
import struct

import pytest

from proxy.admin.service import Admin
from support.behaviours import PARSERS
from support.raw_http import get, half_closed, raw_upstream, roundtrip, split
from support.servers import running_proxy

NOWHERE = "http://127.0.0.1:9"
PUT = b"PUT /-/config HTTP/1.1\r\nHost: a\r\n"

both_parsers = pytest.mark.parametrize("http", PARSERS.values(), ids=PARSERS)


async def reset_after(port: int, data: bytes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


@both_parsers
async def test_a_body_that_breaks_off_leaves_no_trace(
    http: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A FIN, a reset, a chunk that is none."""
    async with running_proxy(NOWHERE, http=http, admin=True) as proxy:
        monkeypatch.setattr(logging.getLogger("uvicorn"), "propagate", True)
        caplog.set_level(logging.ERROR, "uvicorn.error")
        part = PUT + b'Content-Length: 9\r\n\r\n{"'
        assert await half_closed(proxy.port, part) == b""
        await reset_after(proxy.port, part)
        broken = await roundtrip(proxy.port, PUT + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n")
        assert split(broken)[0] == 400
        assert split(await roundtrip(proxy.port, get("/-/healthy")))[0] == 200
    assert not caplog.records


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (get("/-/config", "Content-Length: 2", method="PUT") + b"[]", 400, "change_refused"),
        (get("/-/config", "Content-Length: 20000", method="PUT") + bytes(20_000), 413, "change_refused"),
        (get("/-/ledger?since=nonsense"), 400, "bad_request"),
        (get("/-/ledger?limit=ten"), 400, "bad_request"),
        (get("/-/pool", method="DELETE"), 405, "bad_request"),
        (get("/-/patterns/async_lifespan_state/work", method="DELETE"), 405, "bad_request"),
        (get("/-/nothing"), 404, "not_found"),
        (get("/-/metrics"), 500, "internal_error"),
    ],
)
async def test_every_refusal_has_its_code(
    request_: bytes, status: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the header; the body says what is wrong. Nothing of an exception is in it."""

    async def fails(_: Admin) -> str:
        raise ValueError("secret")

    monkeypatch.setattr(Admin, "metrics", fails)
    async with running_proxy(NOWHERE, admin=True) as proxy:
        found, headers, body = split(await roundtrip(proxy.port, request_))
    assert (found, dict(headers).get(b"x-proxy-error")) == (status, code.encode())
    assert (status == 405) == (b"allow" in dict(headers))
    assert json.loads(body).keys() & {"mistakes", "error"}
    assert b"secret" not in body


@both_parsers
async def test_a_request_is_refused_as_one_that_is_forwarded(http: str) -> None:
    """By its version, its Host, what it expects, a WebSocket handshake."""
    handshake = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n"
    requests = {
        b"1.1\r\n": 400,
        b"1.1\r\nHost: a\r\nHost: b\r\n": 400,
        b"1.1\r\nHost: a b\r\n": 400,
        b"2.0\r\nHost: a\r\n": 505,
        b"1.1\r\nHost: a\r\nExpect: teapot\r\n": 417,
        b"1.1\r\nHost: a\r\n" + handshake: 501,
        b"1.0\r\n": 200,
    }
    async with raw_upstream() as upstream, running_proxy(upstream.url, http=http) as proxy:
        for rest, status in requests.items():
            for path in (b"/-/healthy", b"/-/patterns/shared_cookies/get", b"/"):
                answer = await roundtrip(proxy.port, b"GET " + path + b" HTTP/" + rest + b"\r\n")
                found, headers, _ = split(answer)
                assert (path, rest, found) == (path, rest, status)
                assert (b"x-proxy-error" in dict(headers)) == (status != 200)
