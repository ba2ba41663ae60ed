import asyncio

import pytest

from support.behaviours import Stand, behaviour
from support.eventually import eventually
from support.raw_http import Exchange, answer_ok, half_closed, split, statuses

pytestmark = pytest.mark.slow

REQUEST = b"GET /%d HTTP/1.1\r\nHost: proxy.test\r\n\r\n"
POST = b"POST /3 HTTP/1.1\r\nHost: proxy.test\r\nContent-Length: 2\r\n\r\nhi"
CHUNKED = b"POST /3 HTTP/1.1\r\nHost: proxy.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
GARBAGE = b"excess\0\r\n"
ASKED = b"HTTP/1.1 100 Continue\r\n\r\n"


async def answers_late(exchange: Exchange) -> None:
    await asyncio.sleep(0.3)
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + exchange.request_line[5:6] * 2)


@behaviour(40)
async def test_a_caller_who_half_closes_is_answered(stand: Stand) -> None:
    """Long after its FIN, once it did not reset what it was asked with; and the connection ends then."""
    async with stand.open(answers_late) as (upstream, proxy):
        answer = await half_closed(proxy.port, REQUEST % 1)
        assert answer.startswith(ASKED), answer
        assert split(answer.removeprefix(ASKED))[::2] == (200, b"11")
        assert len(upstream.exchanges) == 1


@behaviour(40)
async def test_all_requests_before_the_half_close_are_answered(stand: Stand) -> None:
    """One after the other; one that is cut short is not, and those before it are."""
    async with stand.open(answers_late) as (upstream, proxy):
        for last in (b"", b"GET /3 HTTP/1.1\r\nHo", POST[:-1]):
            upstream.exchanges.clear()
            answer = await half_closed(proxy.port, REQUEST % 1 + REQUEST % 2 + last)
            assert statuses(answer) == [200, 200]
            assert 0 < answer.find(b"\r\n\r\n11") < answer.find(b"\r\n\r\n22")
            assert len([exchange for exchange in upstream.exchanges if exchange.body != b"h"]) == 2


@behaviour(40)
async def test_a_caller_who_half_closes_behind_a_long_upload_is_answered(stand: Stand) -> None:
    """Its FIN is in the kernel, behind what waits there until the upload is taken."""
    released = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await released.wait()
        await answer_ok(exchange)

    size = 300_000
    head = b"POST /2 HTTP/1.1\r\nHost: proxy.test\r\nContent-Length: %d\r\n\r\n" % size
    async with stand.open(script, max_connections=1) as (upstream, proxy):
        first = asyncio.create_task(half_closed(proxy.port, REQUEST % 1))
        await eventually(lambda: upstream.exchanges)
        reader, writer = await stand.connect(proxy.port)
        writer.write(head + bytes(size))
        writer.write_eof()
        assert await asyncio.wait_for(reader.readexactly(len(ASKED)), 5) == ASKED
        released.set()
        assert split(await reader.read())[::2] == (200, b"ok")
        await first
        assert [len(exchange.body) for exchange in upstream.exchanges] == [0, size]


@pytest.fixture
def asked_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second be quick, for a busy machine."""
    monkeypatch.setattr("proxy.forward.uvicorn_protocol.LOOK_EVERY_SECONDS", 1.0)


@pytest.mark.usefixtures("asked_later")
@behaviour(40)
async def test_a_quick_answer_comes_without_a_question(stand: Stand) -> None:
    """With a body too; a caller of HTTP/1.0 could not be asked. A request that is cut short has no answer."""
    async with stand.open() as (_, proxy):
        for request in (REQUEST % 1, POST, CHUNKED, b"GET / HTTP/1.0\r\n\r\n"):
            assert split(await half_closed(proxy.port, request))[0] == 200
        assert statuses(await half_closed(proxy.port, b"".join(REQUEST % number for number in range(5)))) == [200] * 5
        # with h11 the second is not read before the first one's answer
        for cut in (GARBAGE, POST[:-1], POST.replace(b": 2", b": 9")):
            assert statuses(await half_closed(proxy.port, POST + cut))[0] == 200

        async def nothing_is_held() -> bool:
            pool = await proxy.pool()
            return bool(pool["requests"]["in_flight"] == pool["active"] == 0)

        await eventually(nothing_is_held)  # a request that was cut short ends after the answer before it
        for incomplete in (b"GET / HT", POST[:-1], CHUNKED[:-4]):
            assert await half_closed(proxy.port, incomplete) == b""


@behaviour(40)
async def test_a_fin_within_an_answer_ends_it_only_if_nothing_more_is_taken(stand: Stand) -> None:
    """It may have come late. If the answer stops, nobody can know: the caller is taken for gone after 0.3 s."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsome")
        if exchange.request_line.startswith(b"GET /1"):
            await asyncio.sleep(0.2)
            await exchange.send(b"others")
        else:
            await exchange.reader.read()

    async with stand.open(script, read_timeout_seconds=5) as (_, proxy):
        for number, rest in ((1, b"others"), (2, b"")):
            reader, writer = await stand.connect(proxy.port)
            writer.write(REQUEST % number)
            async with asyncio.timeout(3):
                await reader.readuntil(b"some")
                writer.write_eof()
                assert await reader.read() == rest
            writer.close()
