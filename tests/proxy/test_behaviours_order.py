import asyncio
import logging
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from support.behaviours import PARSERS, Stand, behaviour
from support.eventually import eventually
from support.raw_http import Exchange, answer_ok, get, half_closed, raw_upstream, roundtrip, split, statuses
from support.servers import environment, running_proxy

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
GARBAGE = b"excess\0\r\n"


@behaviour(41)
async def test_garbage_behind_a_request_is_answered_after_it(stand: Stand) -> None:
    """In one packet with one valid request or several; each gets its own answer, and the connection is closed."""
    async with stand.open() as (upstream, proxy):
        for count in (1, 3):
            valid = b"".join(GET % number for number in range(count))
            for send in (roundtrip, half_closed):
                answers = await send(proxy.port, valid + GARBAGE)
                assert statuses(answers) == [200] * count + [400]
                assert answers.count(b"\r\n\r\nok") == count
        assert len(upstream.exchanges) == 8
        for head in (b"HEAD / HTTP/1.1\r\nA: \0\r\n\r\n", b"HEAD /\xff HTTP/1.1\r\n\r\n"):
            status, headers, body = split(await roundtrip(proxy.port, head))
            assert (status, body, dict(headers)[b"content-length"]) == (400, b"", b"0")
        closing = get("/last")
        assert statuses(await roundtrip(proxy.port, closing + GARBAGE)) == [200]


@behaviour(41)
async def test_what_goes_wrong_beside_an_answer_does_not_land_in_it(stand: Stand) -> None:
    """Excess bytes come while the answer is under way, which is slow."""
    half = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        await half.wait()
        await exchange.send(b"later")

    async with stand.open(script) as (_, proxy):
        reader, writer = await stand.connect(proxy.port)
        writer.write(b"POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"first")
            writer.write(GARBAGE)
            await asyncio.sleep(0.05)
            half.set()
            rest = await reader.read()
        writer.close()
        assert statuses(head + rest) == [200, 400]
        assert rest.startswith(b"later")


@behaviour(41)
async def test_a_body_that_breaks_is_400_or_a_cut(stand: Stand) -> None:
    """400 where no answer has begun, after the answers to the requests before; a cut where one has."""

    async def script(exchange: Exchange) -> None:
        if exchange.request_line.startswith(b"POST /early"):
            await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n")
            await exchange.reader.read()
        else:
            await answer_ok(exchange)

    async with stand.open(script, reads_body=False, request_buffer_bytes=0) as (_, proxy):
        broken = CHUNKED + b"3\r\nabc\r\nzz\r\n"
        assert statuses(await roundtrip(proxy.port, broken)) == [400]
        assert statuses(await roundtrip(proxy.port, GET % 1 + broken)) == [200, 400]
        reader, writer = await stand.connect(proxy.port)
        writer.write(broken[:-4].replace(b" / ", b" /early "))
        if stand.client in ("aiohttp", "pyreqwest"):  # the others take an answer when the upload is over
            async with asyncio.timeout(10):
                await reader.readuntil(b"some")
        writer.write(b"zz\r\n")
        async with asyncio.timeout(10):
            rest = await reader.read()
        writer.close()
        assert not rest.endswith(b"0\r\n\r\n")
        assert b"HTTP/1.1 200" not in rest
        pool = await proxy.pool()
        assert (pool["requests"]["in_flight"], pool["active"]) == (0, 0)


@behaviour(41)
async def test_a_refusal_outlives_what_the_caller_still_sends(stand: Stand) -> None:
    """The connection is read for a moment more: a reset would take the answer away from the caller."""
    async with stand.open() as (_, proxy):
        reader, writer = await stand.connect(proxy.port)
        writer.write(GARBAGE)
        await asyncio.sleep(0.05)
        for _ in range(20):
            writer.write(bytes(65_536))
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        status, headers, _ = split(answer)
        assert (status, dict(headers)[b"x-proxy-error"]) == (400, b"bad_request")
        assert dict(headers)[b"connection"] == b"close"


@behaviour(42)
async def test_every_answer_has_a_date(stand: Stand) -> None:
    """The upstream's own where it has one; ours where not, in errors and on the proxy's own paths."""

    async def script(exchange: Exchange) -> None:
        date = b"" if exchange.request_line.startswith(b"GET /none") else b"Date: then\r\n"
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + date + b"\r\n")

    async with stand.open(script) as (_, proxy):
        assert [value for name, value in await _headers(proxy.port, get()) if name == b"date"] == [b"then"]
        refused = (GARBAGE, get("/", "Expect: teapot"), b"GET / HTTP/1.1\r\nA: " + bytes([97]) * 300_000)
        for request in (get("/none"), get("/-/pool"), get("/-/nothing"), get("//-/pool"), *refused):
            dates = [value for name, value in await _headers(proxy.port, request) if name == b"date"]
            assert len(dates) == 1, request[:40]
            assert re.fullmatch(rb"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", dates[0])


async def _headers(port: int, request: bytes) -> list[tuple[bytes, bytes]]:
    return split(await roundtrip(port, request))[1]


@pytest.mark.parametrize("http", PARSERS.values(), ids=PARSERS)
async def test_beyond_the_limit_of_connections_the_proxy_answers_itself(http: str) -> None:
    """UVICORN_LIMIT_CONCURRENCY, which counts the connection that asks."""
    async with running_proxy("http://127.0.0.1:9", http=http, limit_concurrency=1) as proxy:
        status, headers, _ = split(await roundtrip(proxy.port, get().replace(b"Connection: close\r\n", b"")))
        assert (status, dict(headers)[b"x-proxy-error"]) == (503, b"server_overloaded")
        assert {b"date", b"retry-after"} <= dict(headers).keys()


@pytest.mark.slow
def test_without_httptools_the_proxy_serves_by_h11() -> None:
    """It is an optional package of uvicorn's."""
    code = "import sys; sys.modules['httptools'] = None; import proxy.app, proxy.server; "
    code += "print(proxy.server._protocol('auto', tuned=True))"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == PARSERS["h11"], done.stderr


@pytest.mark.parametrize("http", PARSERS.values(), ids=PARSERS)
async def test_a_cut_is_no_fault_of_the_app_in_uvicorns_log(
    http: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upstream that hangs up or stops within its answer, an upload that breaks then."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        if not exchange.request_line.startswith(b"GET /1"):
            await exchange.reader.read()
        exchange.writer.close()

    settings: dict[str, Any] = {"client": "aiohttp", "read_timeout_seconds": 0.3}
    async with (
        raw_upstream(script, reads_body=False) as upstream,
        running_proxy(upstream.url, http=http, request_buffer_bytes=0, **settings) as proxy,
    ):
        monkeypatch.setattr(logging.getLogger("uvicorn"), "propagate", True)
        caplog.set_level(logging.ERROR, "uvicorn.error")
        for request in (GET % 1, GET % 2, CHUNKED + b"3\r\nabc\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(request)
            await reader.readuntil(b"some")
            if request.startswith(b"POST"):
                writer.write(b"zz\r\n")
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
        assert (await proxy.pool())["requests"]["aborted"] == 3
        assert not caplog.records


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("parser", PARSERS)
def test_a_caller_that_leaves_with_more_behind_its_request_is_noticed(
    parser: str, run: Callable[[Awaitable[None]], None]
) -> None:
    """The server reads no further then, so that neither a FIN nor a reset is seen: the kernel is asked."""
    post = b"POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"

    async def never(exchange: Exchange) -> None:
        await exchange.reader.read()

    async def sent(port: int, request: bytes) -> asyncio.StreamWriter:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        await writer.drain()
        return writer

    def leave(writer: asyncio.StreamWriter, *, reset: bool) -> None:
        if reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()

    async def scenario() -> None:
        async with (
            raw_upstream(never) as upstream,
            running_proxy(upstream.url, http=PARSERS[parser], read_timeout_seconds=30) as proxy,
        ):
            requests = (GET % 1 + GET % 2, GET % 1 + b"GET /2 HT", post + GET % 2, GET % 1 + post)
            callers = await asyncio.gather(*[sent(proxy.port, each) for each in (*requests, *requests)])
            await eventually(lambda: len(upstream.exchanges) == 8)
            for number, writer in enumerate(callers):
                leave(writer, reset=number < 4)
            await eventually(lambda: upstream.closed == 8)
            assert len(upstream.exchanges) == 8
            pool = await proxy.pool()
            assert (pool["requests"]["aborted"], sum(pool["errors"].values()), pool["active"]) == (8, 0, 0)

    run(scenario())


@pytest.mark.parametrize("parser", PARSERS)
def test_a_caller_that_leaves_while_a_request_of_its_waits_behind_another_is_no_failure(parser: str) -> None:
    """The connection is not read meanwhile, so the second request may begin. uvloop raises for what is written then."""

    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(0.1)
        await answer_ok(exchange)

    async def scenario() -> tuple[int, int, int]:
        async with raw_upstream(script) as upstream, running_proxy(upstream.url, http=PARSERS[parser]) as proxy:
            for _ in range(10):
                _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
                writer.write(GET % 1 + GET % 2)
                await asyncio.sleep(0.05)
                writer.transport.abort()
            await asyncio.sleep(0.3)
            pool = await proxy.pool()
            return pool["requests"]["failed"], sum(pool["errors"].values()), pool["active"]

    assert uvloop.run(scenario()) == (0, 0, 0)
