import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest

from proxy.errors import ProxyError
from support.client_fixture import NAMES, QUEUES, chunks, direct
from support.raw_http import Exchange, raw_upstream
from support.servers import free_port

SENT_BY_ALL = [
    b"/a%2Fb",
    b"//x//y",
    b"/%zz",
    b"/a;b=1?c;d",
    b"/caf%c3%a9",
    b"/%00",
    b"/a:b@c!$&()*+,;=",
    b"/?q=%zz&q=1",
]
DOTS = [b"/a/../b", b"/a/./b", b"/%2e%2e/x", b"/..%2f"]
ODD = [b"/a\\b", b"/{x}", b"/a|b?c|d"]
REFUSED = {
    "httpx": [],
    "httpx2": [],
    "httpcore": [],
    "aiohttp": [b"/x?", b"*", b"/a#b"],
    "pyreqwest": [b"/a/../b", b"/a/./b", b"/%2e%2e/x", b"/a\\b", b"/{x}", b"*", b"/a#b"],
}


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("name", NAMES)
async def test_a_target_arrives_byte_for_byte_or_is_refused(name: str, queue: str) -> None:
    """No client changes one on its way; what is refused is never sent."""

    async with raw_upstream() as upstream, direct(upstream.url, name, queue) as proxy:
        sent = [target for target in SENT_BY_ALL + DOTS + ODD if target not in REFUSED[name]]
        for target in sent:
            assert (await proxy.send(target))[0] == 200
        assert [exchange.request_line.split(b" ")[1] for exchange in upstream.exchanges] == sent
        for target in REFUSED[name]:
            with pytest.raises(ProxyError) as refused:
                await proxy.send(target)
            assert name in refused.value.detail
        assert len(upstream.exchanges) == len(sent)
        if queue == "gate":
            assert proxy.free == 10


@pytest.mark.parametrize("target", [b"@127.0.0.2/", b":1/", b".evil/", b"http://evil/", b""])
@pytest.mark.parametrize("name", ["aiohttp", "pyreqwest"])
async def test_no_target_can_lead_elsewhere(name: str, target: bytes) -> None:
    """These two take a URL: a target that does not begin with a slash would become part of the host."""

    async with raw_upstream() as upstream, direct(upstream.url, name) as proxy:
        with pytest.raises(ProxyError):
            await proxy.send(target)
        assert upstream.connections == 0


@pytest.mark.parametrize("name", NAMES)
async def test_headers_arrive_as_they_are_and_nothing_is_invented(name: str) -> None:
    """Names, values, duplicates, order. pyreqwest moves equal names together and adds two it cannot leave out."""

    given = [(b"x-one", b"1"), (b"x-two", b"a, b"), (b"x-one", b"caf\xc3\xa9"), (b"x-empty", b"")]
    async with raw_upstream() as upstream, direct(upstream.url, name) as proxy:
        await proxy.send(b"/", *given)
        host = b"host: " + proxy.authority
        lines = [host, b"x-one: 1", b"x-two: a, b", b"x-one: caf\xc3\xa9", b"x-empty:"]
        if name == "pyreqwest":
            lines = [host, b"x-one: 1", b"x-one: caf\xc3\xa9", b"x-two: a, b", b"x-empty:"]
            lines += [b"accept: */*", b"user-agent:"]
        assert [line.rstrip() for line in upstream.exchanges[0].header_lines] == lines


@pytest.mark.parametrize("name", NAMES)
async def test_a_header_that_is_not_utf_8_is_sent_as_it_is_or_refused(name: str) -> None:
    """Two of the libraries take text and would change it, or drop the byte."""

    async with raw_upstream() as upstream, direct(upstream.url, name) as proxy:
        if name in ("httpx", "httpx2", "httpcore"):
            await proxy.send(b"/", (b"x-old", b"caf\xe9"))
            assert upstream.exchanges[0].header("x-old") == [b"caf\xe9"]
        else:
            with pytest.raises(ProxyError):
                await proxy.send(b"/", (b"x-old", b"caf\xe9"))
            assert upstream.exchanges == []


@pytest.mark.parametrize("name", NAMES)
async def test_all_cookies_of_a_request_arrive(name: str) -> None:
    """Several Cookie headers are one list: aiohttp, which keeps the last, is given them joined."""

    async with raw_upstream() as upstream, direct(upstream.url, name) as proxy:
        await proxy.send(b"/", (b"cookie", b"a=1"), (b"cookie", b"b=2"))
        assert b"; ".join(upstream.exchanges[0].header("cookie")) == b"a=1; b=2"


@pytest.mark.parametrize("name", NAMES)
async def test_the_answers_headers_come_back_as_they_were(name: str) -> None:
    """Duplicates in order; of a value that is not ASCII pyreqwest cannot be asked, and leaves that header out."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(
            b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX-Old: caf\xe9\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n"
        )

    async with raw_upstream(script) as upstream, direct(upstream.url, name) as proxy:
        _, headers, _ = await proxy.send()
        lower = [(key.lower(), value) for key, value in headers]
        assert [value for key, value in lower if key == b"set-cookie"] == [b"a=1", b"b=2"]
        expected = [] if name == "pyreqwest" else [b"caf\xe9"]
        assert [value for key, value in lower if key == b"x-old"] == expected
        if name != "pyreqwest":
            assert [key for key, _ in lower] == [b"set-cookie", b"x-old", b"set-cookie", b"content-length"]


@pytest.mark.parametrize("name", NAMES)
async def test_nothing_is_decoded_followed_kept_or_taken_from_the_environment(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redirect with a cookie and a compressed body comes back untouched; the next request carries no cookie."""
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{free_port()}")

    packed = gzip.compress(b"x" * 1000)

    async def script(exchange: Exchange) -> None:
        await exchange.send(
            b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nSet-Cookie: user=ann; Path=/\r\n"
            b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(packed), packed)
        )

    async with raw_upstream(script) as upstream:
        for url in (upstream.url, f"http://localhost:{upstream.port}"):
            async with direct(url, name) as proxy:
                for _ in range(2):
                    status, headers, body = await proxy.send()
                    assert status == 302
                    assert body == packed
                    assert (b"content-encoding", b"gzip") in [(key.lower(), value) for key, value in headers]
        assert [exchange.header("cookie") for exchange in upstream.exchanges] == [[], [], [], []]


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("name", NAMES)
async def test_bodies_stream_both_ways(name: str, queue: str) -> None:
    """The upstream has the first chunk before the second is there, and so has the caller."""

    up, down = asyncio.Event(), asyncio.Event()

    async def script(exchange: Exchange) -> None:
        assert await exchange.reader.readexactly(5) == b"first"
        up.set()
        assert await exchange.reader.readexactly(4) == b"last"
        await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await down.wait()
        await exchange.send(b"3\r\ntwo\r\n0\r\n\r\n")

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await up.wait()
        yield b"last"

    async with (
        asyncio.timeout(5),
        raw_upstream(script, reads_body=False) as upstream,
        direct(upstream.url, name, queue) as proxy,
    ):
        answer = await proxy.send(
            b"/", (b"content-length", b"9"), method="POST", body=body(), on_chunk=lambda chunk: down.set()
        )
        assert answer[2] == b"onetwo"
        assert upstream.exchanges[0].header("transfer-encoding") == []


@pytest.mark.parametrize("name", NAMES)
async def test_a_body_keeps_its_framing(name: str) -> None:
    """With its length, or in chunks if it had none; an empty one with its length 0; none at all without either."""

    async with raw_upstream() as upstream, direct(upstream.url, name) as proxy:
        length, chunked = (b"content-length", b"6"), (b"transfer-encoding", b"chunked")
        await proxy.send(b"/", length, method="PUT", body=chunks(b"one", b"two"))
        await proxy.send(b"/", chunked, method="POST", body=chunks(b"one", b"two"))
        await proxy.send(b"/", (b"content-length", b"0"), method="POST", body=chunks())
        await proxy.send(b"/", method="DELETE")
        seen = [(e.body, e.header("content-length"), e.header("transfer-encoding")) for e in upstream.exchanges]
        assert seen == [
            (b"onetwo", [b"6"], []),
            (b"onetwo", [], [b"chunked"]),
            (b"", [b"0"], []),
            (b"", [], []),
        ]
