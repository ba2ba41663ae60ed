import asyncio
import time
from typing import Any

import pytest

from support.eventually import eventually
from support.faults import reset
from support.raw_http import Exchange, RawUpstream, get, raw_upstream, roundtrip, split
from support.servers import RunningProxy, free_port, running_proxy


async def test_the_request_arrives_as_it_was_sent() -> None:
    """Method, target and headers byte for byte on a real socket, and nothing invented."""

    async with raw_upstream() as upstream, running_proxy(upstream.url) as proxy:
        answer = await roundtrip(proxy.port, get("/a%2Fb//./..;x?q=%zz&q=1", "X-Mine: 1", method="M-SEARCH"))
        status, headers, body = split(answer)
        assert (status, body) == (200, b"ok")
        assert (b"content-length", b"2") in headers
        exchange = upstream.exchanges[0]
        assert exchange.request_line == b"M-SEARCH /a%2Fb//./..;x?q=%zz&q=1 HTTP/1.1"
        names = [line.split(b":")[0].lower() for line in exchange.header_lines]
        added = [b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"via"]
        assert names == [b"host", b"x-mine", *added]
        assert exchange.header("host") == [upstream.url.removeprefix("http://").encode()]


async def test_the_answer_streams_before_it_is_whole() -> None:
    """The head and the first chunk are there while the upstream still holds the rest back."""

    go_on = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await go_on.wait()
        await exchange.send(b"4\r\nlast\r\n0\r\n\r\n")

    async with raw_upstream(script) as upstream, running_proxy(upstream.url) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(get())
        async with asyncio.timeout(5):
            await reader.readuntil(b"first")
            go_on.set()
            rest = await reader.read()
        assert b"last" in rest
        assert rest.endswith(b"0\r\n\r\n")
        writer.close()


async def test_the_request_body_streams_before_it_is_whole() -> None:
    """The upstream has the first chunk while the caller still holds the rest back."""

    arrived = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        assert await exchange.reader.readexactly(5) == b"first"
        arrived.set()
        assert await exchange.reader.readexactly(4) == b"last"
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with (
        raw_upstream(script, reads_body=False) as upstream,
        running_proxy(upstream.url, request_buffer_bytes=0) as proxy,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(get("/", "Content-Length: 9", method="POST") + b"first")
        async with asyncio.timeout(5):
            await arrived.wait()
            writer.write(b"last")
            assert (await reader.read()).endswith(b"ok")
        writer.close()


async def test_20_mb_both_ways_arrive_whole() -> None:
    """A chunked upload and a download with a length."""

    payload = bytes(range(256)) * 80_000

    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(exchange.body) + exchange.body)

    async with raw_upstream(script) as upstream, running_proxy(upstream.url) as proxy:
        chunks = b"".join(
            b"%x\r\n%b\r\n" % (len(part), part)
            for part in (payload[start : start + 65_536] for start in range(0, len(payload), 65_536))
        )
        request = get("/", "Transfer-Encoding: chunked", method="POST") + chunks + b"0\r\n\r\n"
        status, _, body = split(await roundtrip(proxy.port, request))
        assert status == 200
        assert body == payload
        assert upstream.exchanges[0].body == payload


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("head", [b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n", b"HTTP/1.1 204 No Content\r\n"])
async def test_an_answer_without_body_leaves_both_connections_usable(method: str, head: bytes) -> None:
    """Three on one caller's connection and on one upstream connection."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(head + b"\r\n")

    async with raw_upstream(script) as upstream, running_proxy(upstream.url) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        for _ in range(3):
            writer.write(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            async with asyncio.timeout(5):
                answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.split()[1] == head.split()[1]
        writer.close()
        assert upstream.connections == 1


FAULTS = [
    ("closed", b"", 502, "upstream_closed"),
    ("reset", None, 502, "upstream_reset"),
    ("garbage", b"this is not HTTP\r\n\r\n", 502, "upstream_protocol_error"),
    ("status 999", b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", 502, "upstream_protocol_error"),
]


@pytest.mark.parametrize(("fault", "sends", "status", "code"), FAULTS, ids=[fault[0] for fault in FAULTS])
async def test_a_fault_of_the_upstream_has_a_status_and_a_code(
    fault: str, sends: bytes | None, status: int, code: str
) -> None:
    """And the slot is free afterwards."""

    async def script(exchange: Exchange) -> None:
        if sends is None:
            await reset(exchange)
        else:
            await exchange.send(sends)
        exchange.writer.close()

    async with raw_upstream(script) as upstream, running_proxy(upstream.url) as proxy:
        got, headers, body = split(await roundtrip(proxy.port, get()))
        assert got == status
        assert (b"x-proxy-error", code.encode()) in headers
        assert upstream.url.encode() not in body
        pool = await proxy.pool()
        assert pool["errors"][code] == 1
        assert pool["requests"] == {"received": 1, "answered": 0, "failed": 1, "aborted": 0, "in_flight": 0}
        assert (pool["active"], pool["waiting"]) == (0, 0)
        assert pool["opened"] == pool["closed"] + pool["idle"]


async def test_no_upstream_is_502_and_not_ready() -> None:
    """The proxy starts all the same and says why it is not ready."""

    async with running_proxy(f"http://127.0.0.1:{free_port()}") as proxy:
        status, headers, _ = split(await roundtrip(proxy.port, get()))
        assert status == 502
        assert (b"x-proxy-error", b"upstream_connect_error") in headers
        status, _, body = split(await roundtrip(proxy.port, get("/-/ready")))
        assert status == 503
        assert b"Connection refused" in body
        assert split(await roundtrip(proxy.port, get("/-/healthy")))[0] == 200


async def test_a_name_that_does_not_resolve_is_a_dns_error() -> None:
    """502 of its own code."""

    async with running_proxy("http://no-such-host.invalid") as proxy:
        status, headers, _ = split(await roundtrip(proxy.port, get()))
        assert status == 502
        assert (b"x-proxy-error", b"upstream_dns_error") in headers


async def test_a_silent_upstream_is_504_after_the_read_timeout() -> None:
    """Not before it."""

    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(30)

    async with raw_upstream(script) as upstream, running_proxy(upstream.url, read_timeout_seconds=0.3) as proxy:
        began = time.monotonic()
        status, headers, _ = split(await roundtrip(proxy.port, get()))
        assert status == 504
        assert (b"x-proxy-error", b"upstream_read_timeout") in headers
        assert time.monotonic() - began >= 0.3


async def test_a_full_pool_is_503_after_the_pool_timeout_and_says_when_to_come_again() -> None:
    """One connection, two requests: the second waits for the time-out and is counted."""

    release = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await release.wait()
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    settings: dict[str, Any] = {"max_connections": 1, "pool_timeout_seconds": 0.3}
    async with raw_upstream(script) as upstream, running_proxy(upstream.url, **settings) as proxy:
        first = asyncio.create_task(roundtrip(proxy.port, get()))
        await eventually(lambda: _equals(proxy, "active", 1))
        second = asyncio.create_task(roundtrip(proxy.port, get()))
        await eventually(lambda: _equals(proxy, "waiting", 1))
        status, headers, body = split(await second)
        assert status == 503
        assert b"pool total=1 active=1 idle=0 waiting=1" in body
        assert (b"x-proxy-error", b"pool_exhausted") in headers
        assert (b"retry-after", b"1") in headers
        release.set()
        assert split(await first)[0] == 200
        pool = await proxy.pool()
        assert (pool["timeouts"], pool["active"], pool["waiting"]) == (1, 0, 0)
        assert pool["wait_ms"]["count"] == 2
        assert pool["wait_ms"]["sum"] >= 300


async def _equals(proxy: RunningProxy, name: str, value: int) -> bool:
    return bool((await proxy.pool())[name] == value)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\nnonsense\r\n",
    ],
    ids=["length", "chunked", "bad chunk"],
)
async def test_a_cut_answer_is_never_a_clean_end(head: bytes) -> None:
    """The caller's connection is cut: fewer bytes than declared, or no last chunk."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(head)
        exchange.writer.close()

    async with raw_upstream(script) as upstream, running_proxy(upstream.url) as proxy:
        answer = await roundtrip(proxy.port, get())
        assert b"only this" in answer
        assert not answer.endswith(b"0\r\n\r\n")
        pool = await proxy.pool()
        assert pool["requests"]["aborted"] == 1
        assert pool["active"] == 0


@pytest.mark.parametrize("http", ["proxy.forward.httptools_protocol:HttpToolsConnection", "h11"])
@pytest.mark.parametrize("client", ["httpx", "pyreqwest"])
@pytest.mark.parametrize("answered", [False, True], ids=["before the head", "in the body"])
async def test_a_caller_who_leaves_frees_the_slot_within_a_second(answered: bool, client: str, http: str) -> None:
    """The upstream connection is closed, the request counted as aborted, whoever tells that the caller has left."""

    async def script(exchange: Exchange) -> None:
        if answered:
            await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        await exchange.reader.read()  # until the proxy hangs up

    # pyreqwest keeps a call whose answer has not begun up to the read time-out
    settings: dict[str, Any] = {"client": client, "max_connections": 1, "read_timeout_seconds": 0.5}
    async with raw_upstream(script) as upstream, running_proxy(upstream.url, http=http, **settings) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(get())
        if answered:
            await reader.readuntil(b"some")
        else:
            await eventually(lambda: _equals(proxy, "active", 1))
        writer.close()
        await eventually(lambda: _equals(proxy, "active", 0), within=1)
        pool = await proxy.pool()
        assert pool["requests"]["aborted"] == 1
        if client == "httpx":
            assert pool["opened"] == pool["closed"] == 1
        await eventually(lambda: _closed(upstream, 1), within=1)


async def _closed(upstream: RawUpstream, count: int) -> bool:
    return upstream.closed == count


async def test_a_caller_who_leaves_while_it_waits_leaves_the_queue() -> None:
    """And its request is never sent."""

    release = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await release.wait()
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with raw_upstream(script) as upstream, running_proxy(upstream.url, max_connections=1) as proxy:
        first = asyncio.create_task(roundtrip(proxy.port, get("/first")))
        await eventually(lambda: _equals(proxy, "active", 1))
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(get("/second"))
        await eventually(lambda: _equals(proxy, "waiting", 1))
        writer.close()
        await eventually(lambda: _equals(proxy, "waiting", 0), within=1)
        release.set()
        assert split(await first)[0] == 200
        assert split(await roundtrip(proxy.port, get("/third")))[0] == 200
        assert [e.request_line.split()[1] for e in upstream.exchanges] == [b"/first", b"/third"]


async def test_a_caller_who_leaves_mid_upload_never_completes_the_request() -> None:
    """The upstream sees a connection cut, not a last chunk."""

    async with raw_upstream() as upstream, running_proxy(upstream.url, request_buffer_bytes=0) as proxy:
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(get("/", "Transfer-Encoding: chunked", method="POST") + b"4\r\npart\r\n")
        await eventually(lambda: _equals(proxy, "active", 1))
        writer.close()
        await eventually(lambda: _closed(upstream, 1), within=1)
        assert upstream.exchanges == []  # never whole
        assert (await proxy.pool())["requests"]["aborted"] == 1


async def test_no_cookie_travels_from_one_user_to_another() -> None:
    """By IP and by host name: jars treat them differently."""

    async def script(exchange: Exchange) -> None:
        cookie = b"Set-Cookie: user=%b; Path=/\r\n" % exchange.header("x-user")[0]
        await exchange.send(b"HTTP/1.1 200 OK\r\n" + cookie + b"Content-Length: 0\r\n\r\n")

    async with raw_upstream(script) as upstream:
        for url in (upstream.url, f"http://localhost:{upstream.port}"):
            async with running_proxy(url) as proxy:
                for user in ("ann", "bob"):
                    _, headers, _ = split(await roundtrip(proxy.port, get("/", f"X-User: {user}")))
                    assert (b"set-cookie", f"user={user}; Path=/".encode()) in headers
        assert all(exchange.header("cookie") == [] for exchange in upstream.exchanges)
        assert len(upstream.exchanges) == 4


async def test_the_figures_of_a_run_begin_with_its_first_request() -> None:
    """Requests of one run id are told apart from those before it and without one."""

    async with raw_upstream() as upstream, running_proxy(upstream.url) as proxy:
        for header in ("X-A: 1", "X-Sandbox-Run: 1-old", "X-Sandbox-Run: 2-new", "X-Sandbox-Run: 2-new"):
            assert split(await roundtrip(proxy.port, get("/", header)))[0] == 200
        pool = await proxy.pool()
        assert pool["run"]["id"] == "2-new"
        assert pool["run"]["received"] == pool["run"]["answered"] == 2
        assert pool["run"]["active_max"] == 1
        assert pool["requests"]["answered"] == 4
        assert upstream.exchanges[-1].header("x-sandbox-run") == [b"2-new"]
