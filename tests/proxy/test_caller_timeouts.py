import asyncio
import json
import math
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from proxy.forward.caller_clock import FLOOR_SECONDS, ByteClock
from support.eventually import eventually
from support.raw_http import Exchange, RawUpstream, answer_ok, get, raw_upstream, read_body, roundtrip, split
from support.servers import RunningProxy, running_proxy

HTTPTOOLS = "proxy.forward.httptools_protocol:HttpToolsConnection"
HOLDING = "proxy.forward.httptools_protocol:HoldingConnection"
H11 = "proxy.forward.h11_protocol:H11Connection"
PARSERS = (HTTPTOOLS, H11)
SECONDS = 0.2
TIMEOUTS: dict[str, Any] = {
    "caller_head_timeout_seconds": SECONDS,
    "caller_body_timeout_seconds": SECONDS,
    "caller_write_timeout_seconds": SECONDS,
}


KEPT_ALIVE = b"GET / HTTP/1.1\r\nHost: proxy.test\r\n\r\n"


def first_late(clock: ByteClock, moved: Callable[[float], int], due: Callable[[float], float], end: float) -> float:
    """Look each 0.5 s and return when the clock first calls its caller late, infinity if never."""
    for look in range(round(end / 0.5)):
        if clock.is_late(look * 0.5, moved(look * 0.5), due(look * 0.5)):
            return look * 0.5
    return math.inf


def test_a_silence_is_late_when_it_has_lasted() -> None:
    """Counted from the last byte: at 3 s there was one more."""
    assert first_late(ByteClock(5, 0), lambda now: 1 if now < 3 else 2, lambda _: math.inf, 60) == 8


@pytest.mark.parametrize(("rate", "late_at"), [(90, FLOOR_SECONDS), (100, math.inf)])
def test_a_trickle_is_late_after_ten_seconds(rate: int, late_at: float) -> None:
    """Never silent, below the least rate; not at it."""
    assert first_late(ByteClock(10, 100), lambda now: int(rate * now), lambda _: math.inf, 60) == late_at


def test_a_trickle_that_begins_late_is_late_ten_seconds_on() -> None:
    """What was quick before does not make up for it for ever."""
    assert first_late(ByteClock(10, 100), lambda now: 10**6 if now else 0, lambda _: math.inf, 60) == 10.5
    slowing = first_late(ByteClock(30, 100), lambda now: int(200 * min(now, 20) + now), lambda _: math.inf, 60)
    assert slowing == 30


def test_a_reader_that_takes_all_there_is_is_never_late() -> None:
    """Each byte of a slow answer is on its way at every look, and taken by the next one."""
    sent = [int(now / 2) for now in range(200)]
    clock = ByteClock(10, 100)
    assert first_late(clock, lambda now: sent[int(now)], lambda now: sent[int(now)] + 1, 100) == math.inf
    assert first_late(ByteClock(10, 100), lambda _: 7, lambda _: 8, 60) == 10


def test_what_is_not_owed_is_not_counted() -> None:
    """A stop begins anew."""
    clock = ByteClock(10, 100)
    for now in range(100):
        assert not clock.is_late(now, 0, math.inf)
        if now % 9 == 0:
            clock.stop()


@asynccontextmanager
async def opened(http: str = HTTPTOOLS, **settings: Any) -> AsyncIterator[tuple[RawUpstream, RunningProxy]]:
    script = settings.pop("script", answer_ok)
    reads_body = settings.pop("reads_body", True)
    async with (
        raw_upstream(script, reads_body=reads_body) as upstream,
        running_proxy(upstream.url, http=http, **{**TIMEOUTS, **settings}) as proxy,
    ):
        yield upstream, proxy


async def errors(proxy: RunningProxy) -> dict[str, int]:
    found: dict[str, int] = (await proxy.pool())["errors"]
    return {code: count for code, count in found.items() if count}


async def until_closed(port: int, data: bytes) -> tuple[bytes, float]:
    began = time.monotonic()
    answer = await roundtrip(port, data, timeout=5)
    return answer, time.monotonic() - began


def assert_is_the_timeout(answer: bytes) -> None:
    status, headers, _ = split(answer)
    assert (status, dict(headers)[b"x-proxy-error"]) == (408, b"caller_timeout")
    assert (b"connection", b"close") in headers


@pytest.mark.parametrize(
    ("http", "begun"), [(HTTPTOOLS, b"\r\n"), (HTTPTOOLS, b"GET / HTTP/1.1\r\nHost: proxy.test\r\nX-"), (H11, b"G")]
)
async def test_a_head_that_is_not_whole_in_time_is_408(http: str, begun: bytes) -> None:
    """Not before, and counted; nothing goes upstream."""
    async with opened(http) as (upstream, proxy):
        answer, seconds = await until_closed(proxy.port, begun)
        assert_is_the_timeout(answer)
        assert seconds >= SECONDS
        assert await errors(proxy) == {"caller_timeout": 1}
        assert upstream.connections == 0


@pytest.mark.parametrize("http", PARSERS)
async def test_a_head_line_by_line_has_its_time_as_a_whole(http: str) -> None:
    """No line is late, the head is."""
    async with opened(http) as (_, proxy):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"GET / HTTP/1.1\r\n")
        answered = asyncio.create_task(reader.readuntil(b"}}"))
        sent = 0
        while not answered.done():
            writer.write(b"X-Line: %d\r\n" % sent)
            sent += 1
            assert sent < 100
            await asyncio.sleep(SECONDS / 4)
        assert_is_the_timeout(await answered)
        writer.close()


@pytest.mark.parametrize("http", PARSERS)
async def test_a_connection_without_a_byte_is_closed_without_a_word(http: str) -> None:
    """A browser opens some ahead of its requests."""
    async with opened(http) as (_, proxy):
        assert (await until_closed(proxy.port, b""))[0] == b""


@pytest.mark.parametrize("http", PARSERS)
async def test_between_two_requests_a_caller_owes_nothing(http: str) -> None:
    """Until the first byte of the next one; that one is 408, not what came before."""
    async with opened(http) as (_, proxy):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        for _ in range(3):
            writer.write(KEPT_ALIVE)
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")
        await asyncio.sleep(3 * SECONDS)
        assert await errors(proxy) == {}
        writer.write(b"GET / HT")
        assert_is_the_timeout(await asyncio.wait_for(reader.read(), 5))
        writer.close()


@pytest.mark.parametrize("http", [*PARSERS, HOLDING])
async def test_the_keep_alive_time_begins_with_the_last_answer(http: str) -> None:
    """httptools' timer was armed by the first; it is not ended by the requests that follow."""
    async with opened(http, timeout_keep_alive=2 * SECONDS) as (_, proxy):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        for pause in (SECONDS, SECONDS, 0):
            writer.write(KEPT_ALIVE)
            asked = time.monotonic()
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")
            await asyncio.sleep(pause)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        assert time.monotonic() - asked >= 2 * SECONDS
        assert await errors(proxy) == {}
        writer.close()


@pytest.mark.parametrize("http", [*PARSERS, HOLDING])
async def test_a_head_that_began_behind_a_request_has_its_time_after_the_answer(http: str) -> None:
    """In one piece with the request, or while that was answered, which took longer than any head may."""

    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(2 * SECONDS)
        await answer_ok(exchange)

    async def sends(port: int, *pieces: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(SECONDS / 2)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")
        assert_is_the_timeout(await asyncio.wait_for(reader.read(), 3))  # uvicorn ends an idle one after 5 s
        writer.close()

    async with opened(http, script=script) as (upstream, proxy):
        await asyncio.gather(sends(proxy.port, KEPT_ALIVE + b"GET /2 HT"), sends(proxy.port, KEPT_ALIVE, b"GET /2 HT"))
        assert len(upstream.exchanges) == 2


@pytest.mark.parametrize("http", PARSERS)
@pytest.mark.parametrize("path", ["/", "/-/config"])
async def test_a_body_that_stops_is_408(http: str, path: str) -> None:
    """Of a request that is forwarded, and of one for the proxy itself."""
    async with opened(http, admin=True) as (upstream, proxy):
        put = get(path, "Content-Length: 100", method="PUT") + b"{"
        answer, seconds = await until_closed(proxy.port, put)
        assert_is_the_timeout(answer)
        assert seconds >= SECONDS
        assert await errors(proxy) == {"caller_timeout": 1}
        assert upstream.connections == 0


@pytest.mark.slow
async def test_a_slow_upstream_is_not_the_callers_fault() -> None:
    """One that takes an upload late, one that answers late, one whose answer drips: all longer than any time-out."""

    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(3 * SECONDS)
        await read_body(exchange.reader, exchange)
        await asyncio.sleep(3 * SECONDS)
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        for byte in (b"o", b"k"):
            await asyncio.sleep(3 * SECONDS)
            await exchange.send(byte)

    async with opened(script=script, reads_body=False) as (_, proxy):
        size = 8 << 20
        upload = get("/", f"Content-Length: {size}", method="POST") + bytes(size)
        assert (await roundtrip(proxy.port, upload)).endswith(b"ok")
        assert await errors(proxy) == {}


async def test_a_caller_waits_for_100_as_long_as_it_takes() -> None:
    """With PROXY_REQUEST_BUFFER_BYTES=0 it comes with the connection."""
    go_on = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await go_on.wait()
        await answer_ok(exchange)

    async with opened(script=script, max_connections=1, request_buffer_bytes=0) as (upstream, proxy):
        first = asyncio.create_task(roundtrip(proxy.port, get()))
        await eventually(lambda: upstream.exchanges)
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(get("/", "Expect: 100-continue", "Content-Length: 2", method="POST"))
        await asyncio.sleep(3 * SECONDS)
        go_on.set()
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).startswith(b"HTTP/1.1 100 ")
        writer.write(b"hi")
        assert split(await reader.read())[0] == 200
        assert split(await first)[0] == 200
        writer.close()


SIZE = 32 << 20


async def sends_much(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
    for _ in range(SIZE >> 16):
        await exchange.send(bytes(1 << 16))


@pytest.mark.parametrize("http", [*PARSERS, HOLDING])
async def test_a_reader_that_takes_nothing_is_cut(http: str) -> None:
    """By a reset, so that the kernel forgets what it had for it; its slot is free."""
    async with opened(http, script=sends_much) as (upstream, proxy):
        with socket.create_connection(("127.0.0.1", proxy.port)) as caller:
            caller.sendall(get())
            await eventually(lambda: upstream.exchanges)
            await eventually(lambda: upstream.closed)
            assert was_reset(caller)
        assert await errors(proxy) == {"caller_timeout": 1}
        pool = await proxy.pool()
        assert (pool["active"], pool["requests"]["aborted"]) == (0, 1)


@pytest.mark.parametrize("http", [*PARSERS, HOLDING])
async def test_an_answer_that_was_handed_over_whole_does_not_wait_for_ever(http: str) -> None:
    """The request is over, and its connection would be kept for the next one."""
    async with opened(http, script=says_a_little) as (_, proxy):
        with slow_reader(proxy.port) as caller:
            caller.sendall(KEPT_ALIVE)
            assert await eventually(lambda: errors(proxy)) == {"caller_timeout": 1}
            assert was_reset(caller)
        assert (await proxy.pool())["requests"]["answered"] == 1


async def says_a_little(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n" + bytes(40_000))


def was_reset(caller: socket.socket) -> bool:
    try:
        while caller.recv(1 << 20):
            pass
    except ConnectionResetError:
        return True
    return False


def slow_reader(port: int) -> socket.socket:
    caller = socket.socket()
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    caller.connect(("127.0.0.1", port))
    return caller


@pytest.mark.parametrize("framing", ["Content-Length: 2000", "Transfer-Encoding: chunked"])
async def test_a_small_body_is_read_whole_before_a_connection_is_asked_for(framing: str) -> None:
    """And not one byte of it is lost or moved, however it came."""
    body = bytes(range(200)) * 10
    chunked = framing.startswith("Transfer")

    async with opened(caller_body_timeout_seconds=10) as (upstream, proxy):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(get("/", framing, method="POST"))
        for start in range(0, len(body), 20):
            piece = body[start : start + 20]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            await asyncio.sleep(0)
        if not chunked:
            assert split(await reader.read())[0] == 200
        else:
            await asyncio.sleep(SECONDS)
            assert upstream.connections == 0
            writer.write(b"0\r\n\r\n")
            assert split(await reader.read())[0] == 200
        writer.close()
        assert upstream.exchanges[0].body == body


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("limit", "size"), [(1000, 1000), (1000, 1001), (1000, 300_000), (200_000, 200_000), (0, 10)])
async def test_bodies_about_the_limit_arrive_whole(chunked: bool, limit: int, size: int) -> None:
    """At the limit, beyond it, at one that is more than is read ahead else."""
    body = bytes(index % 251 for index in range(size))
    framed = b"".join(b"%x\r\n%b\r\n" % (len(body[at : at + 999]), body[at : at + 999]) for at in range(0, size, 999))
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    async with opened(request_buffer_bytes=limit) as (upstream, proxy):
        sent = framed + b"0\r\n\r\n" if chunked else body
        assert split(await roundtrip(proxy.port, get("/", framing, method="POST") + sent))[0] == 200
        assert upstream.exchanges[0].body == body


async def test_a_longer_body_waits_for_its_first_bytes_only() -> None:
    """Then a connection is asked for, and the body is passed on as it comes."""
    arrived = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.reader.readexactly(5)
        arrived.set()
        await exchange.reader.readexactly(1)
        await answer_ok(exchange)

    async with opened(script=script, reads_body=False, request_buffer_bytes=5) as (upstream, proxy):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(get("/", "Content-Length: 6", method="POST"))
        await asyncio.sleep(SECONDS / 4)
        assert upstream.connections == 0
        writer.write(b"first")
        await asyncio.wait_for(arrived.wait(), 5)
        writer.write(b"x")
        assert split(await reader.read())[0] == 200
        writer.close()


async def test_the_time_of_a_body_that_is_read_first_is_that_of_its_sending() -> None:
    """Not of the proxy's own queue: the caller took it."""
    async with opened(caller_body_timeout_seconds=10) as (_, proxy):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(get("/", "Content-Length: 2", method="POST") + b"h")
        await asyncio.sleep(SECONDS)
        writer.write(b"i")
        assert split(await reader.read())[0] == 200
        writer.close()
        page = json.loads(split(await roundtrip(proxy.port, get("/-/ledger?limit=5")))[2])
        phases = page["entries"][0]["phases_ms"]
        assert phases["send"] >= SECONDS * 1e3 * 0.9 > phases["admission"]


@pytest.mark.parametrize("limit", [0, 65_536])
async def test_a_total_time_out_in_a_body_is_the_callers(limit: int) -> None:
    """The upstream has not been asked, or waits for the body, too."""
    async with opened(total_timeout_seconds=SECONDS, caller_body_timeout_seconds=10, request_buffer_bytes=limit) as (
        _,
        proxy,
    ):
        upload = get("/", "Content-Length: 100", method="POST") + bytes(10)
        assert_is_the_timeout(await roundtrip(proxy.port, upload, timeout=5))


async def test_a_trickle_that_outlasts_the_read_time_out_is_the_callers() -> None:
    """pyreqwest counts the upload, and may have a piece in its hands when the time is over."""

    async def trickle() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(get("/", "Content-Length: 100000", method="POST"))
        answered = asyncio.create_task(reader.readuntil(b"}}"))
        while not answered.done():
            writer.write(b"x")
            await asyncio.sleep(0.002)
        writer.close()
        return await answered

    async with opened(
        client="pyreqwest", read_timeout_seconds=SECONDS, caller_body_timeout_seconds=10, request_buffer_bytes=0
    ) as (_, proxy):
        for answer in await asyncio.gather(*[trickle() for _ in range(10)]):
            assert_is_the_timeout(answer)
