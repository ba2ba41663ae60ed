import asyncio
import importlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import h2.errors
import pytest

from poolwatch.counters import Cell
from poolwatch.report import gauges
from proxy.clients.httpcore_http2 import missing_private_names
from proxy.errors import ProxyError
from support.client_fixture import QUEUES, chunks, direct
from support.eventually import eventually
from support.h2_upstream import Stream, h2_upstream, make_authority, ok
from support.raw_http import get, roundtrip, split
from support.servers import running_proxy

NAMES = ["httpx", "httpx2", "pyreqwest"]
CORE = ["httpx", "httpx2"]


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority of its own."""
    return make_authority(tmp_path_factory.mktemp("ca"))


def over_h2(url: str, name: str, ca: Path, queue: str = "client", **settings: Any) -> Any:
    return direct(url, name, queue, http2=True, ca_file=ca / "ca.pem", **settings)


@pytest.mark.parametrize("name", NAMES)
async def test_a_request_through_the_proxy_is_valid_http2(name: str, ca: Path) -> None:
    """The authority stands for Host, what HTTP/2 forbids stays behind, the caller gets plain HTTP/1.1."""

    async with (
        asyncio.timeout(10),
        h2_upstream(ca) as upstream,
        running_proxy(upstream.url, client=name, http2=True, ca_file=ca / "ca.pem") as proxy,
    ):
        request = (
            b"GET /a%2Fb?q=1 HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: x-gone, close\r\nX-Gone: 1\r\n"
            b"TE: trailers\r\nKeep-Alive: 5\r\nX-Kept: yes\r\n\r\n"
        )
        status, _, body = split(await roundtrip(proxy.port, request))
        assert b"200" in (status if isinstance(status, bytes) else str(status).encode())
        assert body == b"ok"
        (stream,) = upstream.streams
        pseudo = {key: value for key, value in stream.headers if key.startswith(b":")}
        assert pseudo == {
            b":method": b"GET",
            b":scheme": b"https",
            b":path": b"/a%2Fb?q=1",
            b":authority": upstream.url.split("//")[1].encode(),
        }
        names = {key for key, _ in stream.headers}
        assert not names & {b"host", b"connection", b"te", b"keep-alive", b"transfer-encoding", b"x-gone"}
        assert stream.header("x-kept") == [b"yes"]


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("name", NAMES)
async def test_many_requests_share_one_connection(name: str, queue: str, ca: Path) -> None:
    """Twenty at once and ten after them; the gauges count connections as connections and requests as requests."""

    go = asyncio.Event()

    async def script(stream: Stream) -> None:
        await go.wait()
        await ok(stream)

    async with (
        asyncio.timeout(10),
        h2_upstream(ca, script) as upstream,
        over_h2(upstream.url, name, ca, queue, max_connections=20) as proxy,
    ):
        go.set()
        await proxy.send()
        go.clear()
        calls = [asyncio.create_task(proxy.send()) for _ in range(20)]
        await eventually(lambda: len(upstream.streams) == 21)
        await eventually(lambda: proxy.cell(Cell.ACTIVE) == 20)  # the frames of all may go out by one's writing
        now = gauges(proxy.counters.cells)
        assert now["waiting"] == 0
        if name in CORE:
            assert (now["total"], now["idle"], now["connecting"]) == (1, 0, 0)
            assert [each["state"] for each in proxy.client.connections()] == ["active"]
        go.set()
        assert [(await call)[2] for call in calls] == [b"ok"] * 20
        for _ in range(10):
            await proxy.send(b"/", (b"content-length", b"3"), method="POST", body=chunks(b"a", b"bc"))
        assert upstream.connections == 1
        assert upstream.protocols == ["h2"]
        assert len(upstream.streams) == 31
        now = gauges(proxy.counters.cells)
        assert (now["active"], now["waiting"]) == (0, 0)
        if name in CORE:
            assert (now["total"], now["idle"]) == (1, 1)
            assert (proxy.cell(Cell.OPENED), proxy.cell(Cell.REUSED)) == (1, 30)
            (connection,) = proxy.client.connections()
            assert (connection["state"], connection["requests"]) == ("idle", 31)
        if queue == "gate":
            assert proxy.free == 20


@pytest.mark.parametrize("name", NAMES)
async def test_the_gate_holds_requests_to_the_limit(name: str, ca: Path) -> None:
    go = asyncio.Event()

    async def script(stream: Stream) -> None:
        await go.wait()
        await ok(stream)

    async with (
        asyncio.timeout(10),
        h2_upstream(ca, script) as upstream,
        over_h2(upstream.url, name, ca, "gate", max_connections=3) as proxy,
    ):
        calls = [asyncio.create_task(proxy.send()) for _ in range(8)]
        await eventually(lambda: len(upstream.streams) == 3)
        await asyncio.sleep(0.05)
        assert len(upstream.streams) == 3
        assert gauges(proxy.counters.cells)["waiting"] == 5
        go.set()
        assert [(await call)[2] for call in calls] == [b"ok"] * 8


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("name", NAMES)
async def test_bodies_stream_both_ways(name: str, queue: str, ca: Path) -> None:
    """The upstream has the first chunk before the second is there, and so has the caller."""

    up, down = asyncio.Event(), asyncio.Event()

    async def script(stream: Stream) -> None:
        assert await stream.pieces.get() == b"first"
        up.set()
        assert await stream.body() == b"last"
        await stream.head()
        await stream.send(b"one")
        await down.wait()
        await stream.send(b"two", end=True)

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await up.wait()
        yield b"last"

    async with (
        asyncio.timeout(5),
        h2_upstream(ca, script) as upstream,
        over_h2(upstream.url, name, ca, queue) as proxy,
    ):
        answer = await proxy.send(
            b"/",
            (b"transfer-encoding", b"chunked"),
            method="POST",
            body=body(),
            on_chunk=lambda chunk: down.set(),
        )
        assert answer[2] == b"onetwo"
        assert upstream.streams[0].header("transfer-encoding") == []


@pytest.mark.parametrize("name", NAMES)
async def test_large_bodies_pass_the_windows(name: str, ca: Path) -> None:
    """A body larger than every window, there and back."""

    async def script(stream: Stream) -> None:
        body = await stream.body()
        await stream.head(200, ("content-length", str(len(body))))
        await stream.send(body, end=True)

    async with (
        asyncio.timeout(10),
        h2_upstream(ca, script) as upstream,
        over_h2(upstream.url, name, ca) as proxy,
    ):
        piece = bytes(range(256)) * 256
        answer = await proxy.send(
            b"/", (b"content-length", b"%d" % (16 * 65_536)), method="POST", body=chunks(*[piece] * 16)
        )
        assert answer[2] == piece * 16


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("name", NAMES)
async def test_cancelling_one_stream_leaves_the_others_alone(name: str, queue: str, ca: Path) -> None:
    """Before its head and in its body: the upstream is told, the others are answered, the connection stays."""

    go = asyncio.Event()

    async def script(stream: Stream) -> None:
        if stream.header(":path") == [b"/endless"]:
            await stream.head()
            while not stream.reset.is_set():
                await stream.send(b"x" * 1000)
                await asyncio.sleep(0)
        elif stream.header(":path") == [b"/silent"]:
            await stream.reset.wait()
        else:
            await go.wait()
            await ok(stream)

    async with (
        asyncio.timeout(10),
        h2_upstream(ca, script) as upstream,
        over_h2(upstream.url, name, ca, queue) as proxy,
    ):
        go.set()
        await proxy.send()
        go.clear()
        others = [asyncio.create_task(proxy.send()) for _ in range(3)]
        begun = asyncio.Event()
        scopes = [anyio.CancelScope(), anyio.CancelScope()]

        async def cancelled(target: bytes, scope: anyio.CancelScope) -> None:
            with scope:
                await proxy.send(target, on_chunk=lambda chunk: begun.set())

        given_up = [
            asyncio.create_task(cancelled(target, scope))
            for target, scope in zip((b"/endless", b"/silent"), scopes, strict=True)
        ]
        await begun.wait()
        await eventually(lambda: len(upstream.streams) == 6)
        for scope in scopes:
            scope.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)  # pyreqwest raises it without the scope's mark
        told = [s for s in upstream.streams if s.header(":path") in ([b"/endless"], [b"/silent"])]
        if name == "pyreqwest":  # what waits for its head goes on to the read time-out
            told = [s for s in told if s.header(":path") == [b"/endless"]]
        await eventually(lambda: all(stream.reset.is_set() for stream in told))
        go.set()
        assert [(await each)[2] for each in others] == [b"ok"] * 3
        assert (await proxy.send())[2] == b"ok"
        assert upstream.connections == 1
        assert gauges(proxy.counters.cells)["active"] == 0


@pytest.mark.parametrize("name", CORE)
async def test_answers_that_nobody_reads_do_not_use_up_the_connection(name: str, ca: Path) -> None:
    """Each is given up with much of it on its way; after more than the window holds, 16 MiB, the next is answered."""

    async def script(stream: Stream) -> None:
        if stream.header(":path") != [b"/large"]:
            await ok(stream)
            return
        await stream.head()
        for _ in range(48):
            await stream.send(b"x" * 65_536)

    async with (
        asyncio.timeout(10),
        h2_upstream(ca, script) as upstream,
        over_h2(upstream.url, name, ca) as proxy,
    ):
        for _ in range(8):  # 3 MiB each
            with anyio.CancelScope() as scope:

                def first(chunk: bytes, scope: anyio.CancelScope = scope) -> None:
                    scope.cancel()

                await proxy.send(b"/large", on_chunk=first)
        state = upstream.streams[0].connection.state
        assert (await proxy.send())[2] == b"ok"
        await eventually(lambda: state.outbound_flow_control_window > 2**23)
        assert upstream.connections == 1


@pytest.mark.parametrize("name", CORE)
async def test_the_wait_for_an_answer_is_the_upstreams(name: str, ca: Path) -> None:
    """And not `send`, though the task that waits writes frames of its own meanwhile: windows, settings."""

    async def script(stream: Stream) -> None:
        await asyncio.sleep(0.1)
        await ok(stream)

    async with (
        asyncio.timeout(10),
        h2_upstream(ca, script) as upstream,
        running_proxy(upstream.url, client=name, http2=True, ca_file=ca / "ca.pem") as proxy,
    ):
        for _ in range(2):
            assert split(await roundtrip(proxy.port, get("/")))[0] == 200
        entries = json.loads(split(await roundtrip(proxy.port, get("/-/ledger")))[2])["entries"]
        assert [entry["phases_ms"]["upstream"] >= 99 for entry in entries] == [True, True]
        assert [entry["kept"] for entry in entries] == [False, True]


@pytest.mark.parametrize("name", CORE)
async def test_time_outs_are_each_streams_own(name: str, ca: Path) -> None:
    """A silent stream ends alone, however busy the connection; one that waits for a stream ends with 503."""

    async def script(stream: Stream) -> None:
        if stream.header(":path") == [b"/silent"]:
            await stream.reset.wait()
            return
        await stream.head()
        for _ in range(10):
            await stream.send(b"x")
            await asyncio.sleep(0.1)
        await stream.send(b"", end=True)

    async with (
        asyncio.timeout(10),
        h2_upstream(ca, script) as upstream,
        over_h2(upstream.url, name, ca, read_timeout_seconds=0.4) as proxy,
    ):
        busy = asyncio.create_task(proxy.send(b"/busy"))
        with pytest.raises(ProxyError) as raised:
            await proxy.send(b"/silent")
        assert raised.value.code == "upstream_read_timeout"
        assert not busy.done()
        assert (await busy)[2] == b"x" * 10
        assert upstream.connections == 1


@pytest.mark.parametrize("name", CORE)
async def test_waiting_for_a_stream_ends_with_the_pool_time_out(name: str, ca: Path) -> None:
    go = asyncio.Event()

    async def script(stream: Stream) -> None:
        if stream.header(":path") == [b"/slow"]:
            await go.wait()
        await ok(stream)

    async with (
        asyncio.timeout(10),
        h2_upstream(ca, script, streams_allowed=2) as upstream,
        over_h2(upstream.url, name, ca, pool_timeout_seconds=0.2, connect_timeout_seconds=0.5) as proxy,
    ):
        await proxy.send()
        slow = [asyncio.create_task(proxy.send(b"/slow")) for _ in range(2)]
        await eventually(lambda: len(upstream.streams) == 3)
        with pytest.raises(ProxyError) as raised:
            await proxy.send()
        assert raised.value.code == "pool_exhausted"
        go.set()
        assert [(await each)[2] for each in slow] == [b"ok"] * 2
        assert (await proxy.send())[2] == b"ok"


@pytest.mark.parametrize("name", NAMES)
async def test_a_refused_stream_is_an_error_of_its_own(name: str, ca: Path) -> None:
    async def script(stream: Stream) -> None:
        if stream.header(":path") == [b"/refused"]:
            await stream.refuse()
        else:
            await ok(stream)

    async with (
        asyncio.timeout(10),
        h2_upstream(ca, script) as upstream,
        over_h2(upstream.url, name, ca) as proxy,
    ):
        await proxy.send()
        with pytest.raises(ProxyError) as raised:
            await proxy.send(b"/refused")
        assert raised.value.code == "upstream_reset"
        assert (await proxy.send())[2] == b"ok"
        assert upstream.connections == 1


@pytest.mark.parametrize("code", [h2.errors.ErrorCodes.NO_ERROR, h2.errors.ErrorCodes.CANCEL])
@pytest.mark.parametrize("name", NAMES)
async def test_a_stream_that_is_reset_in_its_answer_is_never_whole(
    name: str, code: h2.errors.ErrorCodes, ca: Path
) -> None:
    """Also without an error, which hyper takes for the end of the body: the length tells that it is not."""

    async def script(stream: Stream) -> None:
        await stream.head(200, ("content-length", "10"))
        await stream.send(b"some")
        await asyncio.sleep(0.05)
        stream.connection.state.reset_stream(stream.number, code)
        await stream.connection.flush()

    async with h2_upstream(ca, script) as upstream, over_h2(upstream.url, name, ca) as proxy:
        with pytest.raises(ProxyError) as raised:
            await proxy.send()
        assert raised.value.code == "upstream_reset"


@pytest.mark.parametrize("name", NAMES)
async def test_an_upstream_that_hangs_up_over_http2_has_closed(name: str, ca: Path) -> None:
    """Before the head and in the body."""

    async def script(stream: Stream) -> None:
        if stream.header(":path") == [b"/body"]:
            await stream.head(200)
            await stream.send(b"some")
            await asyncio.sleep(0.05)
        stream.connection.close()

    async with h2_upstream(ca, script) as upstream, over_h2(upstream.url, name, ca) as proxy:
        for target in (b"/", b"/body"):
            with pytest.raises(ProxyError) as raised:
                await proxy.send(target)
            assert raised.value.code == "upstream_closed"


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("protocols", [("http/1.1",), ()])
@pytest.mark.parametrize("name", NAMES)
async def test_an_upstream_without_http2_is_spoken_to_in_http1(
    name: str, protocols: tuple[str, ...], queue: str, ca: Path
) -> None:
    """With its own time-outs: an answer may take longer than a connection."""

    async with (
        asyncio.timeout(10),
        h2_upstream(ca, protocols=protocols) as upstream,
        over_h2(upstream.url, name, ca, queue, pool_timeout_seconds=0.2, connect_timeout_seconds=0.2) as proxy,
    ):
        for target in (b"/one", b"/slow" if queue == "gate" else b"/two", b"/three"):
            assert (await proxy.send(target))[2] == b"ok"
        assert "h2" not in upstream.protocols
        assert upstream.connections == 1
        now = gauges(proxy.counters.cells)
        if name in CORE:
            assert (now["total"], now["active"], now["idle"]) == (1, 0, 1)


@pytest.mark.parametrize("name", [*NAMES, "aiohttp"])
async def test_what_cannot_be_honoured_is_said(name: str, ca: Path) -> None:
    """HTTP/2 needs TLS, and what the limit of connections means then is said by who does not hold requests to it."""

    async with direct("http://127.0.0.1:1", name, http2=True) as proxy:
        assert "HTTP/1.1 is spoken" in proxy.client.unsupported()["PROXY_HTTP2"]
    async with over_h2("https://127.0.0.1:1", name, ca) as proxy:
        said = proxy.client.unsupported()
        assert ("PROXY_HTTP2" in said) == (name == "aiohttp")
        assert ("PROXY_MAX_CONNECTIONS" in said) == (name != "aiohttp")


@pytest.mark.parametrize(("name", "core"), [("httpx", "httpcore"), ("httpx2", "httpcore2"), ("httpcore", "httpcore")])
async def test_a_pool_without_the_private_names_is_not_asked_for_http2(
    name: str, core: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them are there in the pinned versions; one that is gone is named, and HTTP/1.1 is spoken."""
    settings: dict[str, Any] = {"http2": True, "queue": "gate"}
    module = importlib.import_module(core)
    assert missing_private_names(module) == []
    async with direct("https://127.0.0.1:1", name, **settings) as proxy:
        assert "PROXY_HTTP2" not in proxy.client.unsupported()
    monkeypatch.delattr(module.AsyncHTTP2Connection, "_write_outgoing_data")
    async with direct("https://127.0.0.1:1", name, **settings) as proxy:
        sentence = proxy.client.unsupported()["PROXY_HTTP2"]
    assert "has no _write_outgoing_data" in sentence
    assert sentence.endswith("HTTP/1.1 is spoken instead.")
