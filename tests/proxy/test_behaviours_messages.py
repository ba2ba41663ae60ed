import asyncio
import re
from typing import Any

import pytest

from support.behaviours import Stand, behaviour
from support.raw_http import Exchange, get, roundtrip, split, statuses

CLOSE = b"Connection: close\r\n"
HOST = b"Host: proxy.test\r\n" + CLOSE
CURL_H2C = (
    b"POST /post HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n"
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
    b"Content-Length: 7\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n"
)
"""Recorded: what `curl --http2 -d '{"a":1}'` sends before the body. bench/everyday_clients.py runs the real ones."""

JAVA_SETTINGS = b"AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA"
JAVA_H2C = (
    b"POST /post HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nContent-Length: 7\r\nHost: 127.0.0.1:8000\r\n"
    b"HTTP2-Settings: " + JAVA_SETTINGS + b"\r\nUpgrade: h2c\r\nUser-Agent: Java-http-client/17.0.15\r\n"
    b"Content-Type: application/json\r\n\r\n"
)
JAVA_H2C_CHUNKED = (
    b"POST /post HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nHost: 127.0.0.1:8000\r\n"
    b"HTTP2-Settings: " + JAVA_SETTINGS + b"\r\nTransfer-encoding: chunked\r\nUpgrade: h2c\r\n"
    b"User-Agent: Java-http-client/17.0.15\r\nContent-Type: application/json\r\n\r\n"
)
"""Recorded: what java.net.http.HttpClient of OpenJDK 17 sends by default, in a packet before the body's."""


def says(data: bytes, *, close: bool = False) -> Any:
    async def script(exchange: Exchange) -> None:
        await exchange.send(data)
        if close:
            exchange.writer.close()

    return script


@behaviour(6)
async def test_bodiless_answers_have_no_body_and_connections_live_on(stand: Stand) -> None:
    """HEAD with its length, 304 with one that uvicorn would wait for, 204; three on one connection each side."""
    cases = [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, b"5"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n", 304, None),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, None),
    ]
    for method, answer, status, length in cases:
        async with stand.open(says(answer)) as (upstream, proxy):
            reader, writer = await stand.connect(proxy.port)
            for _ in range(3):
                writer.write(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                got, headers, _ = split(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5))
                assert (got, dict(headers).get(b"content-length")) == (status, length)
            writer.close()
            assert upstream.connections == 1


AS_A_HEAD = "its parser takes the surplus for the head of a next answer before it gives out the first"


@behaviour(6, differs={"aiohttp": f"an upstream that sends a body with its answer to HEAD is 502: {AS_A_HEAD}"})
async def test_a_body_that_comes_with_an_answer_to_head_is_dropped(stand: Stand) -> None:
    """And the connection it came on is not used again."""
    async with stand.open(says(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody")) as (upstream, proxy):
        for _ in range(2):
            status, headers, body = split(await roundtrip(proxy.port, get(method="HEAD")))
            assert (status, dict(headers)[b"content-length"], body) == (200, b"4", b"")
        assert upstream.connections == 2


@behaviour(7)
async def test_an_answer_of_two_lengths_is_502(stand: Stand) -> None:
    """And one of them never reaches the caller."""
    for lines in (
        b"Content-Length: 2\r\nContent-Length: 3\r\n",
        b"Content-Length: -2\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ):
        data = b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n2\r\nok\r\n0\r\n\r\n"
        async with stand.open(says(data, close=True)) as (_, proxy):
            status, headers, _ = split(await roundtrip(proxy.port, get()))
            assert (status, dict(headers).get(b"x-proxy-error")) == (502, b"upstream_protocol_error"), lines


@behaviour(7)
async def test_length_and_chunked_in_an_answer_are_502(stand: Stand) -> None:
    """What one reader takes for the end is not the other one's."""
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    async with stand.open(says(data, close=True)) as (_, proxy):
        assert split(await roundtrip(proxy.port, get()))[0] == 502


BODY = b"3\r\nabc\r\n0\r\n\r\n"
AMBIGUOUS = {
    "length and chunked": b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY,
    "two equal lengths": b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "two lengths": b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a list of lengths": b"Content-Length: 3, 3\r\n\r\nabc",
    "a sign": b"Content-Length: +3\r\n\r\nabc",
    "identity": b"Transfer-Encoding: identity\r\n\r\nabc",
    "twice chunked": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY,
    "a bad chunk": b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    "bare LF in chunks": b"Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n",
    "a folded line": b"X-A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n",
    "a space before the colon": b"Content-Length : 3\r\n\r\nabc",
    "bare LF behind a header": b"X-A: 1\nContent-Length: 3\r\n\r\nabc",
    "bare LF behind the head": b"Content-Length: 3\r\n\nabc",
    "bare LF in a trailer": b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-A: 1\n\r\n",
    "a folded trailer": b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-A: 1\r\n 2\r\n\r\n",
    "a length beyond all bounds": b"Content-Length: 99999999999999999999\r\n\r\nabc",
    "a coding as trailer": b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a length as trailer": b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n",
}


@behaviour(8)
async def test_an_ambiguous_request_is_400_and_its_connection_closed(stand: Stand) -> None:
    """The upstream sees no whole request, nor what follows it."""
    async with stand.open() as (upstream, proxy):
        for name, rest in AMBIGUOUS.items():
            request = b"POST / HTTP/1.1\r\nHost: a\r\n" + rest + get("/smuggled")
            answer = await roundtrip(proxy.port, request)
            assert answer.startswith(b"HTTP/1.1 400 "), name
            assert len(re.findall(rb"HTTP/1.1 \d", answer)) == 1, name
        old = b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY
        assert (await roundtrip(proxy.port, old)).startswith(b"HTTP/1.1 400 ")
        assert upstream.exchanges == []


@behaviour(8)
async def test_what_only_looks_odd_is_taken(stand: Stand) -> None:
    """Spaces around a value, chunk extensions, an empty line before the request."""
    async with stand.open() as (upstream, proxy):
        for request in (
            b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3 \r\nX-A:  a b \r\n\r\nabc",
            b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n",
            b"\r\nPOST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc",
        ):
            assert split(await roundtrip(proxy.port, request))[0] == 200
        assert [exchange.body for exchange in upstream.exchanges] == [b"abc"] * 3


@behaviour(14)
async def test_a_request_needs_one_valid_host(stand: Stand) -> None:
    """And none decides where it goes."""
    async with stand.open() as (upstream, proxy):
        for lines in (
            b"",
            b"Host: a\r\nHost: a\r\n",
            b"Host: a,b\r\n",
            b"Host: a/b\r\n",
            b"Host: a@b\r\n",
            b"Host:\r\n",
        ):
            answer = await roundtrip(proxy.port, b"GET / HTTP/1.1\r\n" + lines + CLOSE + b"\r\n")
            assert split(answer)[0] == 400, lines
        assert upstream.exchanges == []
        answer = await roundtrip(proxy.port, b"GET / HTTP/1.1\r\nHost: decoy.invalid:1\r\n" + CLOSE + b"\r\n")
        assert split(answer)[0] == 200
        assert upstream.exchanges[0].header("host") == [f"127.0.0.1:{upstream.port}".encode()]


TARGETS = [
    b"/a%2Fb//c;x=1",
    b"//evil.test/x",
    b"///",
    b"/?a=1&a=2;b=%zz",
    b"/%00%ff",
    b"/x??",
    b"/a:b@c!$&'()*+,;=",
    b"/%c3%A9?%C3%a9",
]
UNSAFE = [b"/a/../b", b"/a/./b", b"/%2e%2e/x", b'/a"<>{}|^`\\', b"/?'\"<>{}"]


@behaviour(15)
async def test_path_and_query_go_byte_for_byte(stand: Stand) -> None:
    """What decodes, doubles or looks like a host."""
    async with stand.open() as (upstream, proxy):
        for target in TARGETS:
            assert split(await roundtrip(proxy.port, get(target.decode())))[0] == 200
        assert [e.request_line for e in upstream.exchanges] == [b"GET %b HTTP/1.1" % target for target in TARGETS]


@behaviour(15, differs={"pyreqwest": "a target with dot segments or characters that a URL escapes is refused with 400"})
async def test_dots_and_odd_characters_go_byte_for_byte(stand: Stand) -> None:
    """What a URL library would change."""
    async with stand.open() as (upstream, proxy):
        for target in UNSAFE:
            assert split(await roundtrip(proxy.port, get(target.decode())))[0] == 200
        assert [e.request_line for e in upstream.exchanges] == [b"GET %b HTTP/1.1" % target for target in UNSAFE]


@behaviour(15)
async def test_a_target_is_sent_as_it_came_or_not_at_all(stand: Stand) -> None:
    """No client changes one silently."""
    async with stand.open() as (upstream, proxy):
        for target in UNSAFE:
            status, _, _ = split(await roundtrip(proxy.port, get(target.decode())))
            assert status in (200, 400)
        seen = {exchange.request_line.split()[1] for exchange in upstream.exchanges}
        assert seen <= set(UNSAFE)


@behaviour(16)
async def test_absolute_form_becomes_origin_form_and_connect_is_refused(stand: Stand) -> None:
    """The host in it decides nothing."""
    async with stand.open() as (upstream, proxy):
        assert split(await roundtrip(proxy.port, get("http://decoy.invalid:1/x?q")))[0] == 200
        assert upstream.exchanges[0].request_line == b"GET /x?q HTTP/1.1"
        forwarded = len(upstream.exchanges)
        for target in ("http://u:p@decoy.invalid/", "ftp://decoy.invalid/", "/x#y", "http:///x"):
            assert split(await roundtrip(proxy.port, get(target)))[0] == 400, target
        for target in ("decoy.invalid:443", "/x", "http://decoy.invalid/x"):
            assert split(await roundtrip(proxy.port, get(target, method="CONNECT")))[0] == 400, target
        assert len(upstream.exchanges) == forwarded


@behaviour(16)
async def test_an_absolute_target_needs_no_path(stand: Stand) -> None:
    """It is / then; OPTIONS asks for the server as a whole, by *, which two clients cannot send."""
    cases = [("GET", "http://decoy.invalid", b"/"), ("GET", "HTTPS://decoy.invalid?q", b"/?q")]
    if stand.client not in ("aiohttp", "pyreqwest"):
        cases.append(("OPTIONS", "http://decoy.invalid", b"*"))
    async with stand.open() as (upstream, proxy):
        for method, target, sent in cases:
            assert split(await roundtrip(proxy.port, get(target, method=method)))[0] == 200
            assert upstream.exchanges[-1].request_line.split()[1] == sent


@behaviour(16, differs={"aiohttp": "OPTIONS * is refused with 400", "pyreqwest": "OPTIONS * is refused with 400"})
async def test_options_asterisk_goes_on(stand: Stand) -> None:
    """It asks the server, not a resource."""
    async with stand.open() as (upstream, proxy):
        assert split(await roundtrip(proxy.port, get("*", method="OPTIONS")))[0] == 200
        assert upstream.exchanges[0].request_line == b"OPTIONS * HTTP/1.1"


@behaviour(17)
async def test_every_method_goes_on_without_a_body_of_ours(stand: Stand) -> None:
    """No length, no chunks where the caller sent none."""
    methods = ["GET", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "M-SEARCH", "QUERY", "PURGE", "REPORT"]
    async with stand.open() as (upstream, proxy):
        for method in methods:
            assert split(await roundtrip(proxy.port, get(method=method)))[0] == 200
        assert [e.request_line.split()[0].decode() for e in upstream.exchanges] == methods
        assert not any(e.header("transfer-encoding") or e.header("content-length") for e in upstream.exchanges)


BY_PROXY_CONNECTION = (
    b"POST /p HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nProxy-Connection: Upgrade\r\nContent-Length: 5\r\n\r\n"
)
"""llhttp takes Proxy-Connection for Connection."""


@behaviour(18)
async def test_an_upgrade_is_ignored_and_the_connection_goes_on(stand: Stand) -> None:
    """With a body in one packet or in pieces, chunked, without a body, in HTTP/1.0; the next request as well."""
    upgrade = b"Host: a\r\nConnection: keep-alive, Upgrade, X-Named\r\nUpgrade: h2c\r\nX-Named: 1\r\n"
    chunked = b"PUT /b HTTP/1.1\r\n" + upgrade + b"Transfer-Encoding: chunked\r\n\r\n"
    cases = [
        ([CURL_H2C + b'{"a":1}'], b'{"a":1}'),
        ([CURL_H2C, b'{"a"', b":1}"], b'{"a":1}'),
        ([JAVA_H2C, b'{"a":1}'], b'{"a":1}'),
        ([JAVA_H2C_CHUNKED, b'7\r\n{"a":1}\r\n0\r\n\r\n'], b'{"a":1}'),
        ([chunked + b"3\r\nabc\r\n", b"1\r\nd\r\n0\r\n\r\n"], b"abcd"),
        ([b"GET /c HTTP/1.1\r\n" + upgrade + b"\r\n"], b""),
        ([BY_PROXY_CONNECTION + b"hello"], b"hello"),
    ]
    async with stand.open() as (upstream, proxy):
        reader, writer = await stand.connect(proxy.port)
        for pieces, body in cases:
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0.02)
            status, headers, _ = split(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5))
            await reader.readexactly(int(dict(headers)[b"content-length"]))
            assert (status, dict(headers).get(b"connection")) == (200, None)
            sent = upstream.exchanges[-1]
            assert sent.body == body
            assert not any(sent.header(name) for name in ("upgrade", "http2-settings", "x-named"))
        writer.close()
        old = b"POST /d HTTP/1.0\r\n" + upgrade.replace(b"h2c", b"websocket") + b"Content-Length: 2\r\n\r\nab"
        assert split(await roundtrip(proxy.port, old))[0] == 200
        assert [sent.body for sent in upstream.exchanges] == [body for _, body in cases] + [b"ab"]


@behaviour(18)
async def test_a_websocket_handshake_is_refused(stand: Stand) -> None:
    """501 with the proxy's own code, whatever its version, and nothing goes upstream."""
    async with stand.open() as (upstream, proxy):
        for version in (b"13", b"99"):
            handshake = (
                b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: " + version + b"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            status, headers, _ = split(await roundtrip(proxy.port, handshake))
            assert status == 501
            assert dict(headers)[b"x-proxy-error"] == b"not_implemented"
            assert dict(headers)[b"connection"] == b"close"
        assert upstream.exchanges == []
        own = handshake.replace(b"GET / ", b"PUT /-/config ").replace(b"\r\n\r\n", b"\r\nContent-Length: 18\r\n\r\n")
        answer = await roundtrip(proxy.port, own + b"GET / HTTP/1.1\r\n\r\n" + get("/-/healthy"))
        assert answer.count(b"HTTP/1.1 ") == 2  # a body is a body, on the proxy's own paths too
        assert upstream.exchanges == []


@behaviour(18)
async def test_what_is_no_websocket_handshake_is_ignored(stand: Stand) -> None:
    """Upgrade: websocket that Connection does not name, of another method, or without a key."""
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    unnamed = b"Host: a\r\nConnection: close\r\nUpgrade: websocket\r\n"
    named = b"Host: a\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n"
    requests = [
        b"GET / HTTP/1.1\r\n" + unnamed + key + b"\r\n",
        b"GET / HTTP/1.1\r\n" + named + b"\r\n",
        b"POST / HTTP/1.1\r\n" + named + key + b"Content-Length: 2\r\n\r\nhi",
    ]
    async with stand.open() as (upstream, proxy):
        for request in requests:
            assert split(await roundtrip(proxy.port, request))[0] == 200
        assert [sent.header("upgrade") + sent.header("connection") for sent in upstream.exchanges] == [[]] * 3
        assert upstream.exchanges[-1].body == b"hi"
        for connection in (b"Upgrade, keep-alive", b"keep-alive\r\nConnection: upgrade"):
            handshake = (requests[0]).replace(b"close", connection).replace(b"websocket", b"WebSocket")
            assert split(await roundtrip(proxy.port, handshake))[0] == 501


@behaviour(18)
async def test_a_101_that_nobody_asked_for_is_502(stand: Stand) -> None:
    """The proxy does not become a tunnel."""
    answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    async with stand.open(says(answer, close=True)) as (_, proxy):
        assert split(await roundtrip(proxy.port, get()))[0] == 502


@behaviour(24)
async def test_1xx_is_swallowed_and_the_final_answer_comes(stand: Stand) -> None:
    """103 and 102, then 200; 103 alone is 502."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    async with stand.open(says(hints + final)) as (_, proxy):
        answer = await roundtrip(proxy.port, get())
        assert split(answer)[0] == 200
        assert answer.count(b"HTTP/1.1") == 1
    async with stand.open(says(hints, close=True)) as (_, proxy):
        assert split(await roundtrip(proxy.port, get()))[0] == 502


@behaviour(30)
async def test_bytes_behind_an_answer_are_nobodys_answer(stand: Stand) -> None:
    """They come a moment later, as they would from a confused upstream."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await asyncio.sleep(0.05)
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    async with stand.open(script) as (upstream, proxy):
        for _ in range(2):
            status, _, body = split(await roundtrip(proxy.port, get()))
            assert (status, body) == (200, b"ok")
            await asyncio.sleep(0.1)
        assert upstream.connections == 2


@behaviour(30)
async def test_bytes_in_one_piece_with_an_answer_are_nobodys_answer(stand: Stand) -> None:
    """The answer before them is intact, for each of three requests."""
    surplus = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    async with stand.open(says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + surplus)) as (upstream, proxy):
        for _ in range(3):
            status, _, body = split(await roundtrip(proxy.port, get()))
            assert (status, body) == (200, b"ok")
        assert upstream.connections == 3


@behaviour(30, differs={"aiohttp": f"surplus that is not HTTP, in one piece with an answer, is 502: {AS_A_HEAD}"})
async def test_bytes_that_are_not_http_leave_the_answer_before_them_intact(stand: Stand) -> None:
    """Whatever they are."""
    async with stand.open(says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok surplus")) as (_, proxy):
        status, _, body = split(await roundtrip(proxy.port, get()))
        assert (status, body) == (200, b"ok")


@behaviour(31)
async def test_close_delimited_and_old_answers_are_framed_anew(stand: Stand) -> None:
    """Chunked, or the length they had."""
    for answer in (
        b"HTTP/1.1 200 OK\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ):
        async with stand.open(says(answer, close=True)) as (_, proxy):
            whole = await roundtrip(proxy.port, get())
            assert split(whole)[0] == 200
            assert whole.endswith((b"2\r\nok\r\n0\r\n\r\n", b"\r\n\r\nok"))


@behaviour(31)
async def test_a_connection_that_ended_with_its_answer_is_not_used_again(stand: Stand) -> None:
    """Also for a request that is there at once, and would not be tried twice; with a pool that looks too late, too."""

    async def script(exchange: Exchange) -> None:
        if exchange.request_line.startswith(b"GET"):
            await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        else:
            await exchange.send(b"HTTP/1.1 200 OK\r\n\r\nok")
            exchange.writer.close()

    one = b" /a HTTP/1.1\r\nHost: a\r\n\r\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("proxy.clients.tuned_backend.FRESH_SECONDS", 60.0)
        async with stand.open(script) as (_, proxy):
            answers = await roundtrip(proxy.port, (b"GET" + one + b"POST" + one + b"POST" + one) * 5 + get())
            assert statuses(answers) == [200] * 16


@behaviour(32)
async def test_a_connection_is_used_again_after_every_complete_answer(stand: Stand) -> None:
    """200, chunked, empty, HEAD, 304, with a request body or without."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(answers[exchange.request_line.split()[1]])

    answers = {
        b"/length": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"/empty": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"/head": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        b"/same": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    }
    async with stand.open(script) as (upstream, proxy):
        for _ in range(2):
            for target in answers:
                method = "HEAD" if target == b"/head" else "GET"
                await roundtrip(proxy.port, get(target.decode(), method=method))
            await roundtrip(proxy.port, get("/length", "Content-Length: 2", method="POST") + b"hi")
        assert len(upstream.exchanges) == 12
        assert upstream.connections == 1
        pool = await proxy.pool()
        assert pool["opened"] in (1, None)  # None: the client cannot tell


@behaviour(39)
async def test_an_http_1_0_caller_gets_a_length_or_505(stand: Stand) -> None:
    """It knows no chunks; and what ends with its connection could have been cut."""
    request = b"GET / HTTP/1.0\r\n\r\n"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n2\r\nay\r\n0\r\n\r\n"
    async with stand.open(says(chunked)) as (_, proxy):
        answer = await roundtrip(proxy.port, request)
        status, headers, body = split(answer)
        assert (status, body, dict(headers)[b"content-length"]) == (200, b"okay", b"4")
        assert b"transfer-encoding" not in dict(headers)
    long = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + bytes(2 << 20)
    async with stand.open(says(long, close=True)) as (_, proxy):
        assert split(await roundtrip(proxy.port, request))[0] == 505


@behaviour(23)
async def test_a_body_goes_on_whatever_the_method(stand: Stand) -> None:
    """Chunked, too: hyper takes a GET of unknown length for one without a body; and cut short it is not whole."""
    for method in (b"GET", b"DELETE", b"OPTIONS"):
        async with stand.open() as (upstream, proxy):
            head = method + b" / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
            assert split(await roundtrip(proxy.port, head + BODY))[0] == 200
            await roundtrip(proxy.port, head + b"zz\r\nabc\r\n0\r\n\r\n")
            assert [exchange.body for exchange in upstream.exchanges] == [b"abc"], method
