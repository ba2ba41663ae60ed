import asyncio
from pathlib import Path
from typing import Any

import pytest

from support.behaviours import Stand, behaviour
from support.raw_http import Exchange, get, roundtrip, split
from support.servers import free_port


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Name proxies that nobody listens as, and a file of credentials, where libraries look for them."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    netrc = tmp_path / "netrc"
    netrc.write_text("default login ann password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))


def head(*lines: bytes) -> bytes:
    return b"\r\n".join(lines) + b"\r\n\r\n"


def says(data: bytes) -> Any:
    async def script(exchange: Exchange) -> None:
        await exchange.send(data)

    return script


@behaviour(1)
async def test_hop_by_hop_headers_stay_behind(stand: Stand) -> None:
    """Both ways."""
    answer = head(
        b"HTTP/1.1 200 OK",
        b"Keep-Alive: 5",
        b"Proxy-Connection: x",
        b"Upgrade: h2c",
        b"Trailer: X",
        b"Content-Length: 0",
    )
    async with stand.open(says(answer)) as (upstream, proxy):
        sent = ("Keep-Alive: 5", "Proxy-Connection: keep-alive", "TE: trailers", "Trailer: X-Sum")
        _, headers, _ = split(await roundtrip(proxy.port, get("/", *sent)))
        for name in ("keep-alive", "proxy-connection", "te", "trailer", "connection"):
            assert upstream.exchanges[0].header(name) == []
        assert not {b"keep-alive", b"proxy-connection", b"upgrade", b"trailer"} & {name for name, _ in headers}


@behaviour(2)
async def test_headers_named_in_connection_stay_behind(stand: Stand) -> None:
    """In any case, with empty tokens and on several lines; and framing cannot be named."""
    answer = head(b"HTTP/1.1 200 OK", b"Connection: X-Hop,, Content-Length", b"X-Hop: 1", b"Content-Length: 2") + b"ok"
    async with stand.open(says(answer)) as (upstream, proxy):
        sent = (
            "Connection: X-Mine, , content-length, host",
            "Connection: X-too",
            "X-Mine: 1",
            "x-too: 1",
            "X-Stays: 1",
        )
        request = get("/", *sent, "Content-Length: 2", method="POST") + b"hi"
        status, headers, body = split(await roundtrip(proxy.port, request))
        exchange = upstream.exchanges[0]
        assert (exchange.header("x-mine"), exchange.header("x-too")) == ([], [])
        assert (exchange.header("x-stays"), exchange.body) == ([b"1"], b"hi")
        assert (status, body) == (200, b"ok")
        assert b"x-hop" not in dict(headers)


@behaviour(3)
async def test_proxy_authorization_stays_behind(stand: Stand) -> None:
    """Authorization goes on."""
    async with stand.open() as (upstream, proxy):
        await roundtrip(proxy.port, get("/", "Proxy-Authorization: Basic eDp5", "Authorization: Basic YTpi"))
        assert upstream.exchanges[0].header("proxy-authorization") == []
        assert upstream.exchanges[0].header("authorization") == [b"Basic YTpi"]


@behaviour(4)
async def test_trailers_of_an_answer_are_dropped(stand: Stand) -> None:
    """The body is whole all the same."""
    chunked = head(b"HTTP/1.1 200 OK", b"Trailer: X-Sum", b"Transfer-Encoding: chunked")
    async with stand.open(says(chunked + b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n")) as (_, proxy):
        answer = await roundtrip(proxy.port, get())
        assert b"2\r\nok\r\n0\r\n\r\n" in answer
        assert b"sum" not in answer.lower()


@behaviour(4)
async def test_trailers_of_a_request_never_become_headers(stand: Stand) -> None:
    """Announced or not, in one packet with the head or later; a header that is announced as a trailer stays."""
    trailers = (b"X-Sum: 1", b"Authorization: x", b"X-Real-IP: 6.6.6.6", b"Cookie: a=b", b"Expect: 100-continue")
    async with stand.open() as (upstream, proxy):
        lines = ("Trailer: X-Sum, X-Head", "X-Head: 1", "Transfer-Encoding: chunked")
        for pause in (0.0, 0.05):
            reader, writer = await stand.connect(proxy.port)
            writer.write(get("/", *lines, method="POST") + b"2\r\nhi\r\n")
            await asyncio.sleep(pause)
            writer.write(head(b"0", *trailers))
            assert split(await asyncio.wait_for(reader.read(), 5))[0] == 200
            writer.close()
            exchange = upstream.exchanges[-1]
            assert (exchange.body, exchange.header("x-head")) == (b"hi", [b"1"])
            assert not any(exchange.header(line.split(b":")[0].decode()) for line in trailers)


@behaviour(
    9,
    differs={"pyreqwest": "headers of one name are sent behind the first of them: order among one name is kept only"},
)
async def test_duplicates_are_kept_in_order_among_all_others(stand: Stand) -> None:
    """As the caller wrote them."""
    async with stand.open() as (upstream, proxy):
        await roundtrip(proxy.port, get("/", "X-A: 2", "X-B: 1", "X-A: 1"))
        mine = [
            line.lower()
            for line in upstream.exchanges[0].header_lines
            if line.lower().startswith(b"x-") and b"forw" not in line.lower()
        ]
        assert mine == [b"x-a: 2", b"x-b: 1", b"x-a: 1"]


@behaviour(9)
async def test_duplicates_of_one_name_are_kept_in_order(stand: Stand) -> None:
    """Both ways; Set-Cookie above all."""
    answer = head(b"HTTP/1.1 200 OK", b"Set-Cookie: b=1", b"X-Other: 1", b"Set-Cookie: a=2", b"Content-Length: 0")
    async with stand.open(says(answer)) as (upstream, proxy):
        _, headers, _ = split(await roundtrip(proxy.port, get("/", "X-A: 2", "X-A: 1")))
        assert upstream.exchanges[0].header("x-a") == [b"2", b"1"]
        assert [value for name, value in headers if name == b"set-cookie"] == [b"b=1", b"a=2"]


@behaviour(9, differs={"aiohttp": "several Cookie headers are joined to one by `; `"})
async def test_several_cookie_headers_stay_several(stand: Stand) -> None:
    """HTTP/1.1 says one, but they are not ours to join."""
    async with stand.open() as (upstream, proxy):
        await roundtrip(proxy.port, get("/", "Cookie: a=1", "Cookie: b=2"))
        assert upstream.exchanges[0].header("cookie") == [b"a=1", b"b=2"]


@behaviour(
    9,
    differs={
        "aiohttp": "headers that are not UTF-8 are refused with 400",
        "pyreqwest": "headers that are not UTF-8 are refused with 400",
    },
)
async def test_latin_1_in_a_request_header_goes_on(stand: Stand) -> None:
    """One byte a character, as it came."""
    async with stand.open() as (upstream, proxy):
        await roundtrip(proxy.port, get("/", "X-Name: caf\xe9"))
        assert upstream.exchanges[0].header("x-name") == [b"caf\xe9"]


@behaviour(9, differs={"pyreqwest": "a header of an answer that is not ASCII is left out, and the log says so"})
async def test_latin_1_in_an_answer_header_goes_on(stand: Stand) -> None:
    """The library may not decode it."""
    async with stand.open(says(head(b"HTTP/1.1 200 OK", b"X-Name: caf\xe9", b"Content-Length: 0"))) as (_, proxy):
        _, headers, _ = split(await roundtrip(proxy.port, get()))
        assert (b"x-name", b"caf\xe9") in headers


@behaviour(10)
async def test_nothing_is_kept_followed_or_looked_up(stand: Stand) -> None:
    """Cookies by IP and by host name; a redirect; a proxy and a netrc that the environment names."""
    answer = head(b"HTTP/1.1 302 Found", b"Location: /elsewhere", b"Set-Cookie: user=ann; Path=/", b"Content-Length: 0")
    for host in ("127.0.0.1", "localhost"):
        async with stand.open(says(answer), host=host) as (upstream, proxy):
            for _ in range(2):
                status, headers, _ = split(await roundtrip(proxy.port, get("/first")))
                assert (status, dict(headers)[b"set-cookie"]) == (302, b"user=ann; Path=/")
            assert [e.request_line for e in upstream.exchanges] == [b"GET /first HTTP/1.1"] * 2
            assert not any(e.header("cookie") or e.header("authorization") for e in upstream.exchanges)


@behaviour(
    11, differs={"pyreqwest": "`accept: */*` and a `user-agent` of its own are added where the caller sent none"}
)
async def test_no_header_is_invented(stand: Stand) -> None:
    """What arrives is what was sent, and what the proxy adds by decision."""
    async with stand.open() as (upstream, proxy):
        await roundtrip(proxy.port, get("/", "X-Mine: 1"))
        names = {line.split(b":")[0].lower() for line in upstream.exchanges[0].header_lines}
        added = {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"via"}
        assert names - {b"connection"} == {b"host", b"x-mine"} | added


@behaviour(11)
async def test_what_the_caller_says_of_itself_is_kept(stand: Stand) -> None:
    """User-Agent, Accept, Accept-Encoding."""
    async with stand.open() as (upstream, proxy):
        await roundtrip(proxy.port, get("/", "User-Agent: mine", "Accept: x/y", "Accept-Encoding: br"))
        exchange = upstream.exchanges[0]
        assert exchange.header("user-agent") == [b"mine"]
        assert exchange.header("accept") == [b"x/y"]
        assert exchange.header("accept-encoding") == [b"br"]


@behaviour(12)
async def test_where_a_request_came_from_is_the_proxys_to_say(stand: Stand) -> None:
    """The caller's own statements are dropped."""
    async with stand.open() as (upstream, proxy):
        lies = (
            "X-Forwarded-For: 6.6.6.6",
            "X-Forwarded-Host: evil",
            "X-Forwarded-Proto: https",
            "Forwarded: for=6.6.6.6",
        )
        await roundtrip(proxy.port, get("/", *lies))
        exchange = upstream.exchanges[0]
        assert exchange.header("x-forwarded-for") == [b"127.0.0.1"]
        assert exchange.header("x-forwarded-host") == [b"proxy.test"]
        assert exchange.header("x-forwarded-proto") == [b"http"]
        assert exchange.header("forwarded") == []
        await roundtrip(proxy.port, get("http://target.test:81/"))
        assert upstream.exchanges[1].header("x-forwarded-host") == [b"target.test:81"]  # RFC 9112 section 3.2.2


@behaviour(13)
async def test_via_is_added_once_and_a_loop_ends(stand: Stand) -> None:
    """A request that says it was here already is 508."""
    async with stand.open() as (upstream, proxy):
        await roundtrip(proxy.port, get("/", "Via: 1.0 other"))
        first, own = upstream.exchanges[0].header("via")
        assert first == b"1.0 other"
        status, headers, _ = split(await roundtrip(proxy.port, get("/", f"Via: 1.0 other, {own.decode()}")))
        assert (status, dict(headers)[b"x-proxy-error"]) == (508, b"loop_detected")
        assert len(upstream.exchanges) == 1


@behaviour(19)
async def test_encodings_ranges_and_tags_are_untouched(stand: Stand) -> None:
    """The bytes are not what gzip would write: who decodes them fails."""
    answer = head(
        b"HTTP/1.1 206 Partial Content",
        b"Content-Encoding: gzip",
        b"Content-Range: bytes 0-3/9",
        b'ETag: W/"x"',
        b"Content-Length: 4",
    )
    async with stand.open(says(answer + b"\x1f\x8b\x00\xff")) as (upstream, proxy):
        status, headers, body = split(await roundtrip(proxy.port, get("/", "Range: bytes=0-3", 'If-None-Match: "y"')))
        assert (status, body) == (206, b"\x1f\x8b\x00\xff")
        assert {(b"content-encoding", b"gzip"), (b"content-range", b"bytes 0-3/9"), (b"etag", b'W/"x"')} <= set(headers)
        assert upstream.exchanges[0].header("range") == [b"bytes=0-3"]
        assert upstream.exchanges[0].header("if-none-match") == [b'"y"']


@behaviour(20)
async def test_a_head_has_a_bound(stand: Stand) -> None:
    """30 KB pass both ways; beyond 64 KiB a request is 431 and an answer 502."""

    def script_of(size: int) -> Any:
        return says(head(b"HTTP/1.1 200 OK", b"X-Long: " + b"a" * size, b"Content-Length: 0"))

    async with stand.open(script_of(30_000)) as (upstream, proxy):
        status, headers, _ = split(await roundtrip(proxy.port, get("/", "X-Long: " + "a" * 30_000)))
        assert (status, len(dict(headers)[b"x-long"])) == (200, 30_000)
        assert len(upstream.exchanges[0].header("x-long")[0]) == 30_000
        assert split(await roundtrip(proxy.port, get("/", "X-Long: " + "a" * 70_000)))[0] == 431
        for method, target, expected in (("GET", "/" + "a" * 100_000, 414), ("A" * 100_000, "/", 431)):
            status, headers, _ = split(await roundtrip(proxy.port, get(target, method=method)))
            assert status == expected
            assert b"x-proxy-error" in dict(headers)
        assert len(upstream.exchanges) == 1
    async with stand.open(script_of(70_000)) as (_, proxy):
        assert split(await roundtrip(proxy.port, get()))[0] == 502


@behaviour(35)
async def test_control_bytes_in_headers_are_refused(stand: Stand) -> None:
    """NUL and a bare CR, from either side."""
    async with stand.open() as (upstream, proxy):
        for bad in "\0\x01\x07\x08\x0b\x0c\r\x10\x1b\x1f\x7f":
            for field in (f"X-A: a{bad}b", f"X-{bad}A: b"):
                assert split(await roundtrip(proxy.port, get("/", field)))[0] == 400, field
        assert upstream.exchanges == []
    for line in (b"X-A: a\0b", b"X-A: a\rSet-Cookie: b"):
        async with stand.open(says(head(b"HTTP/1.1 200 OK", line, b"Content-Length: 0"))) as (_, proxy):
            status, headers, _ = split(await roundtrip(proxy.port, get()))
            assert (status, dict(headers).get(b"x-proxy-error")) == (502, b"upstream_protocol_error")


@behaviour(36)
async def test_underscores_spell_no_special_header(stand: Stand) -> None:
    """Other names keep theirs."""
    async with stand.open() as (upstream, proxy):
        await roundtrip(proxy.port, get("/", "Content_Length: 9", "X_Forwarded_For: 6.6.6.6", "my_own: 1"))
        exchange = upstream.exchanges[0]
        assert (exchange.header("content_length"), exchange.header("x_forwarded_for")) == ([], [])
        assert exchange.header("my_own") == [b"1"]
