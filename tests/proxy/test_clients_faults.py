import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from anyio._backends._asyncio import SocketStream

from poolwatch.counters import Cell
from proxy.errors import ProxyError
from support.client_fixture import NAMES, QUEUES, Direct, chunks, direct
from support.eventually import eventually
from support.faults import reset
from support.raw_http import Exchange, answer_ok, raw_upstream
from support.servers import free_port


def cut(first: bytes, *, by_reset: bool = False) -> Any:
    """Return a script that sends some bytes and then ends the connection."""

    async def script(exchange: Exchange) -> None:
        if first:
            await exchange.send(first)
            await asyncio.sleep(0.05)
        if by_reset:
            await reset(exchange)
        exchange.writer.close()

    return script


def late(*pieces: bytes) -> Any:
    """Say each piece a moment after the one before, and leave the connection open."""

    async def script(exchange: Exchange) -> None:
        for piece in pieces:
            await exchange.send(piece)
            await asyncio.sleep(0.05)
        await asyncio.sleep(1)

    return script


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nsome of i\r\n"
FAULTS = {
    "closed": (cut(b""), "upstream_closed"),
    "reset": (cut(b"", by_reset=True), "upstream_reset"),
    "not HTTP": (cut(b"SSH-2.0-hello\r\n\r\n"), "upstream_protocol_error"),
    "bad header": (cut(b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n"), "upstream_protocol_error"),
    "shorter than its length": (cut(LENGTH), "upstream_closed"),
    "no last chunk": (cut(CHUNKED), "upstream_closed"),
    "bad chunk": (cut(CHUNKED + b"nonsense\r\n"), "upstream_protocol_error"),
    "bad chunk, later": (late(CHUNKED, b"zz\r\n"), "upstream_protocol_error"),
    "bad end of a chunk, later": (late(CHUNKED, b"5\r\nhelloXX\r\n"), "upstream_protocol_error"),
    "bad trailer, later": (late(CHUNKED, b"0\r\nX Y: 1\r\n\r\n"), "upstream_protocol_error"),
    "reset in the body": (cut(LENGTH, by_reset=True), "upstream_reset"),
}
ALSO = {("aiohttp", "reset in the body"): "upstream_closed"}
"""What a library cannot tell apart."""


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", NAMES)
async def test_what_goes_wrong_at_the_upstream_has_its_code(name: str, fault: str) -> None:
    """Twice on one connection allowed: the first failure leaves no slot behind."""
    script, code = FAULTS[fault]

    settings: dict[str, Any] = {"max_connections": 1, "pool_timeout_seconds": 1}
    async with raw_upstream(script) as upstream, direct(upstream.url, name, **settings) as proxy:
        for _ in range(2):
            with pytest.raises(ProxyError) as raised:
                await proxy.send()
            assert raised.value.code in (code, ALSO.get((name, fault)))
        assert proxy.cell(Cell.ACTIVE) == proxy.cell(Cell.WAITING) == 0
        await eventually(lambda: proxy.cell(Cell.OPENED) == proxy.cell(Cell.CLOSED))


@pytest.mark.parametrize("name", NAMES)
async def test_who_is_not_there_has_a_code(name: str) -> None:
    """A refused connection and a name that does not resolve."""

    for url, code in (
        (f"http://127.0.0.1:{free_port()}", "upstream_connect_error"),
        ("http://no-such-host.invalid", "upstream_dns_error"),
    ):
        async with direct(url, name, max_connections=1) as proxy:
            for _ in range(2):
                with pytest.raises(ProxyError) as raised:
                    await proxy.send()
                assert raised.value.code == code
            assert proxy.cell(Cell.OPENED) == proxy.cell(Cell.CONNECTING) == proxy.cell(Cell.ACTIVE) == 0


async def ends(proxy: Direct, code: str, limit: float, *, target: bytes = b"/", **request: Any) -> None:
    """Send, and see it fail with a code, neither before the limit nor much after it."""
    began = time.monotonic()
    with pytest.raises(ProxyError) as raised:
        await proxy.send(target, *request.pop("headers", ()), **request)
    assert raised.value.code == code
    assert limit - 0.01 <= time.monotonic() - began < limit + 0.5


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("name", NAMES)
async def test_a_silent_upstream_ends_after_the_read_timeout(name: str, queue: str) -> None:
    """Before the head, and in the body."""

    async def script(exchange: Exchange) -> None:
        if exchange.request_line.startswith(b"GET /body"):
            await exchange.send(LENGTH)
        await exchange.reader.read()

    settings: dict[str, Any] = {"read_timeout_seconds": 0.3, "max_connections": 1}
    async with raw_upstream(script) as upstream, direct(upstream.url, name, queue, **settings) as proxy:
        await ends(proxy, "upstream_read_timeout", 0.3)
        await ends(proxy, "upstream_read_timeout", 0.3, target=b"/body")
        await eventually(lambda: upstream.closed == 2)


@pytest.mark.parametrize("name", NAMES)
async def test_an_upstream_that_takes_no_connection_ends_after_the_connect_timeout(name: str) -> None:
    """A full backlog: the kernel drops what comes."""

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        callers = [socket.socket() for _ in range(3)]
        for caller in callers:
            caller.setblocking(False)
            with suppress(BlockingIOError):
                caller.connect(("127.0.0.1", port))
        await asyncio.sleep(0.05)
        async with direct(f"http://127.0.0.1:{port}", name, connect_timeout_seconds=0.3) as proxy:
            await ends(proxy, "upstream_connect_timeout", 0.3)
            assert proxy.cell(Cell.CONNECTING) == proxy.cell(Cell.ACTIVE) == 0
        for caller in callers:
            caller.close()


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("name", NAMES)
async def test_an_upstream_that_takes_no_bytes_ends_after_the_write_timeout(name: str, queue: str) -> None:
    """The body stops when the sockets are full; the time runs from there."""

    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(30)

    pulled = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal pulled
        while True:
            pulled += 1
            yield b"x" * 65_536

    settings: dict[str, Any] = {"write_timeout_seconds": 0.3, "read_timeout_seconds": 2, "max_connections": 1}
    async with (
        raw_upstream(script, reads_body=False) as upstream,
        direct(upstream.url, name, queue, **settings) as proxy,
    ):
        await ends(
            proxy,
            "upstream_write_timeout",
            0.3,
            method="POST",
            headers=[(b"transfer-encoding", b"chunked")],
            body=body(),
        )
        assert pulled < 1000
        assert proxy.cell(Cell.ACTIVE) == 0


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("name", NAMES)
async def test_a_full_pool_ends_after_the_pool_timeout(name: str, queue: str) -> None:
    """And who comes after the slot is free is served."""

    release = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await release.wait()
        await answer_ok(exchange)

    settings: dict[str, Any] = {"pool_timeout_seconds": 0.3, "max_connections": 1}
    async with raw_upstream(script) as upstream, direct(upstream.url, name, queue, **settings) as proxy:
        first = asyncio.create_task(proxy.send())
        await eventually(lambda: len(upstream.exchanges) == 1)
        await ends(proxy, "pool_exhausted", 0.3)
        assert (proxy.cell(Cell.ACTIVE), proxy.cell(Cell.WAITING)) == (1, 0)
        release.set()
        assert (await first)[2] == b"ok"
        assert (await proxy.send())[2] == b"ok"


@pytest.mark.parametrize("name", NAMES)
async def test_a_body_that_fails_is_never_completed(name: str) -> None:
    """The caller's own error comes out as it is; the upstream sees no clean end."""

    class Gone(Exception):
        pass

    async def body() -> AsyncIterator[bytes]:
        yield b"some"
        await asyncio.sleep(0.02)
        raise Gone

    async with raw_upstream() as upstream, direct(upstream.url, name, max_connections=1) as proxy:
        for header in ((b"transfer-encoding", b"chunked"), (b"content-length", b"10")):
            with pytest.raises(Gone):
                await proxy.send(b"/", header, method="POST", body=body())
        await eventually(lambda: upstream.closed == 2)
        assert upstream.exchanges == []
        assert (await proxy.send())[2] == b"ok"


@pytest.mark.parametrize("parts", [(b"short",), (b"much too", b" long")])
@pytest.mark.parametrize("name", NAMES)
async def test_a_body_of_another_length_than_declared_is_an_error(name: str, parts: tuple[bytes, ...]) -> None:
    """Neither hanging for ever nor cut in silence."""

    async with asyncio.timeout(3), raw_upstream() as upstream, direct(upstream.url, name) as proxy:
        with pytest.raises(ProxyError) as raised:
            await proxy.send(b"/", (b"content-length", b"10"), method="POST", body=chunks(*parts))
        assert raised.value.status == 400


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
async def test_a_connection_that_is_reset_as_it_opens(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The loop has dropped its socket by then, and httpcore asks it whether it speaks TLS."""
    monkeypatch.setattr(SocketStream, "_raw_socket", property(lambda stream: stream._transport.abort()))
    async with raw_upstream() as upstream, direct(upstream.url, name) as proxy:
        with pytest.raises(ProxyError) as raised:
            await proxy.send()
        assert raised.value.code == "upstream_reset"
        assert (proxy.cell(Cell.OPENED), proxy.cell(Cell.CLOSED)) == (1, 1)
