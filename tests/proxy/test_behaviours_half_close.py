import asyncio

from support.behaviours import Stand, behaviour
from support.raw_http import Exchange, split

PARSERS = ("proxy.forward.httptools_protocol:HttpToolsConnection", "proxy.forward.h11_protocol:H11Connection")
REQUEST = b"GET /%d HTTP/1.1\r\nHost: proxy.test\r\n\r\n"
ASKED = b"HTTP/1.1 100 Continue\r\n\r\n"


async def half_close(port: int, request: bytes) -> bytes:
    """Send bytes, close this side, and return all that comes until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    writer.write_eof()
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


async def answers_late(exchange: Exchange) -> None:
    await asyncio.sleep(0.3)
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + exchange.request_line[5:6] * 2)


@behaviour(40)
async def test_a_caller_who_half_closes_is_answered(stand: Stand) -> None:
    """Long after its FIN, once it did not reset what it was asked with; and the connection ends then."""
    for http in PARSERS:
        async with stand.open(answers_late, http=http) as (upstream, proxy):
            answer = await half_close(proxy.port, REQUEST % 1)
            assert answer.startswith(ASKED), answer
            assert split(answer.removeprefix(ASKED))[::2] == (200, b"11")
            assert len(upstream.exchanges) == 1


@behaviour(40)
async def test_all_requests_before_the_half_close_are_answered(stand: Stand) -> None:
    """One after the other; one that is cut short is not, and those before it are."""
    for http in PARSERS:
        for last in (b"", b"GET /3 HTTP/1.1\r\nHo"):
            async with stand.open(answers_late, http=http) as (upstream, proxy):
                answer = await half_close(proxy.port, REQUEST % 1 + REQUEST % 2 + last)
                assert [part[-2:] for part in answer.split(b"HTTP/1.1 200 ")[1:]] == [b"11", b"22"] or ASKED in answer
                assert answer.count(b"HTTP/1.1 200 ") == len(upstream.exchanges) == 2


@behaviour(40)
async def test_a_quick_answer_comes_without_a_question(stand: Stand) -> None:
    """And before HTTP/1.1, which has none, it is the only one that comes."""
    for http in PARSERS:
        async with stand.open(http=http) as (_, proxy):
            for request in (REQUEST % 1, b"GET / HTTP/1.0\r\n\r\n"):
                assert split(await half_close(proxy.port, request))[0] == 200
