"""What the patterns' docstrings say, shown: who blocks whom, how many connections, what is carried, what leaks."""

import asyncio
import gc
import json
import socket
import struct
import threading
import time
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from starlette.requests import Request

from lab.calling_pattern import calling_pattern
from proxy import patterns
from proxy.pattern_runtime.clients import Upstream
from proxy.pattern_runtime.loop_reporter import LoopReporter
from proxy.pattern_runtime.registry import discover
from proxy.pattern_runtime.thread_limiter import thread_tokens
from proxy.patterns import async_module_global, chunk_generator, chunk_generator_finally
from support.raw_http import Exchange, get, raw_upstream, roundtrip, split
from support.servers import RunningProxy, running_proxy
from support.threaded_upstream import Meter, threaded_upstream

PATTERNS = discover(patterns)
RECOMMENDED = [name for name, pattern in PATTERNS.items() if pattern.verdict.use]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


async def call(proxy: RunningProxy, name: str, *header_lines: str, path: str = "/") -> Any:
    return split(await roundtrip(proxy.port, get(f"/-/patterns/{name}{path}", *header_lines)))


async def at_once(proxy: RunningProxy, name: str, calls: int) -> list[int]:
    return [answer[0] for answer in await asyncio.gather(*(call(proxy, name) for _ in range(calls)))]


async def until_pool(proxy: RunningProxy, seconds: float = 5.0, **values: int) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while True:
        pool = await proxy.pool()
        if all(pool[name] == value for name, value in values.items()):
            return pool
        assert time.monotonic() < deadline, f"not {values}: {pool}"
        await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("requests_in_async", True),
        ("requests_session", False),
        ("httpx_sync_shared", False),
        ("async_lifespan_state", False),
    ],
)
async def test_only_requests_in_an_async_endpoint_stops_the_health_check(name: str, blocks: bool) -> None:
    """While the upstream works, /-/healthy answers at once; or only after the upstream has given in."""
    arrived, healthy = threading.Event(), threading.Event()
    gave_in = []

    async def script(exchange: Exchange) -> None:
        arrived.set()
        gave_in.append(not await asyncio.to_thread(healthy.wait, 0.7 if blocks else 10))
        await exchange.send(OK)

    def probe(port: int) -> None:
        assert arrived.wait(10)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/healthy", timeout=20) as answer:
            assert answer.status == 200
        healthy.set()

    with threaded_upstream(script) as upstream:
        async with running_proxy(upstream.url) as proxy:
            probing = asyncio.create_task(asyncio.to_thread(probe, proxy.port))
            assert (await call(proxy, name))[0] == 200
            await probing
    assert gave_in == [blocks]


CONNECTIONS_OF_TEN = {
    "requests_per_call": 10,
    "async_per_request": 10,
    "requests_session": 1,
    "httpx_sync_shared": 1,
    "async_lifespan_state": 1,
    "async_module_global": 1,
    "async_startup_shutdown": 1,
}


async def test_ten_calls_one_after_the_other_take_one_connection_or_ten() -> None:
    """Shared clients and sessions keep it; what is made for a call takes it along."""

    with threaded_upstream(Meter()) as upstream:
        async with running_proxy(upstream.url) as proxy:
            for name, connections in CONNECTIONS_OF_TEN.items():
                before, accepted = await proxy.pool(), upstream.connections
                for _ in range(10):
                    assert (await call(proxy, name))[0] == 200
                pool = await proxy.pool()
                assert (name, upstream.connections - accepted) == (name, connections)
                assert pool["opened"] - before["opened"] == connections
                assert pool["reused"] - before["reused"] == 10 - connections


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the socket of one closed too early
@pytest.mark.parametrize("name", ["async_lifespan_state", "httpx_sync_shared"])
async def test_the_answers_own_limits_reuse_next_to_nothing(name: str) -> None:
    """Half of the connections kept alive: each is closed after its answer. All of them: hardly any (httpcore 1.0.9).

    Hardly: under contention its pool now and then closes an idle connection that a request was just given
    (encode/httpcore#1110), so a seventh was seen once among sixty calls.
    """

    with threaded_upstream(Meter(0.01)) as upstream:
        opened = []
        for kept in (3, 6):
            settings: dict[str, Any] = {"max_connections": 6, "max_keepalive_connections": kept}
            async with running_proxy(upstream.url, **settings) as proxy:
                for _ in range(5):
                    assert set(await at_once(proxy, name, 12)) == {200}
                opened.append((await proxy.pool())["opened"])
    gc.collect()
    assert opened[0] > 30
    assert opened[1] * 4 < opened[0]


@pytest.mark.parametrize("name", ["httpx_sync_shared", "requests_session"])
async def test_a_wait_for_a_thread_is_no_wait_for_a_connection(name: str) -> None:
    """Twelve calls, three threads, a connection for each: what they wait for is a thread; with threads, nothing."""

    with threaded_upstream(Meter(0.2)) as upstream:
        waits = []
        for tokens in (3, 20):
            async with running_proxy(upstream.url, max_connections=20, thread_tokens=tokens) as proxy:
                await at_once(proxy, name, 12)  # starts the threads
                before = await proxy.pool()
                assert set(await at_once(proxy, name, 12)) == {200}
                after = await proxy.pool()
            waits.append(
                {
                    phase: after["phases_ms"][phase]["sum"] - before["phases_ms"][phase]["sum"]
                    for phase in ("thread_wait", "pool_wait")
                }
            )
            assert (after["waiting"], after["active"]) == (0, 0)
    few, enough = waits
    assert few["thread_wait"] > 3600  # three wait not at all, three 200 ms each, three 400, three 600
    assert few["thread_wait"] > 2 * enough["thread_wait"]  # a thread that is free still has to be woken
    # connections there are: what passes between a thread's beginning and its library's is the machine's, in both
    assert few["pool_wait"] < enough["pool_wait"] + 0.5 * few["thread_wait"]


async def test_a_client_for_each_request_costs_many_times_the_cpu() -> None:
    """Nothing is encrypted here, and still each client makes an SSL context."""

    async def cpu_seconds(name: str) -> float:
        await call(proxy, name)
        began = time.process_time()
        for _ in range(10):
            await call(proxy, name)
        return time.process_time() - began

    with threaded_upstream(Meter()) as upstream:
        async with running_proxy(upstream.url) as proxy:
            shared = await cpu_seconds("async_lifespan_state")
            per_request = await cpu_seconds("async_per_request")
    assert per_request > 2 * shared


LIMIT, THREADS, CALLS = 2, 8, 12


def most_at_the_upstream(name: str) -> int:
    """Return how many calls at once a pattern lets through, by what lab says of it."""
    pattern = calling_pattern(name)
    assert pattern is not None
    if pattern.blocks_loop:
        return 1
    return min(LIMIT if pattern.bounded else CALLS, THREADS if pattern.in_threads else CALLS)


@pytest.mark.parametrize("name", [name for name in PATTERNS if name != "forget_aclose"])
async def test_which_limit_bounds_twelve_calls_at_once(name: str) -> None:
    """Two connections, eight threads: the pool's limit, the threads' or none. The verdict relies on which."""
    most = most_at_the_upstream(name)
    meter = Meter(0.02, until=lambda: meter.most >= most)
    with threaded_upstream(meter) as upstream:
        settings: dict[str, Any] = {"max_connections": LIMIT, "thread_tokens": THREADS}
        async with running_proxy(upstream.url, **settings) as proxy:
            assert set(await at_once(proxy, name, CALLS)) == {200}
            pool = await proxy.pool()
    assert meter.most == most
    assert pool["run"]["active_max"] == most
    pattern = calling_pattern(name)
    assert pattern is not None
    assert (pool["reused"] == 0) is pattern.client_per_request
    if name == "requests_session":  # kept as many as pool_maxsize says, threw the others away
        assert pool["idle"] == LIMIT
        assert pool["opened"] - pool["closed"] == LIMIT
        assert pool["opened"] > THREADS - 1


async def test_thread_tokens_bound_what_def_endpoints_do_at_a_time() -> None:
    """Three tokens: three at the upstream, six waiting for a thread, and an async pattern does not care."""

    go_on = threading.Event()
    meter = Meter(until=go_on.is_set)
    with threaded_upstream(meter) as upstream:
        async with running_proxy(upstream.url, max_connections=20, thread_tokens=3) as proxy:
            assert thread_tokens() == {"total": 3, "borrowed": 0, "waiting": 0}
            calls = asyncio.create_task(at_once(proxy, "requests_per_call", 9))
            while thread_tokens()["waiting"] < 6 or meter.now < 3:
                await asyncio.sleep(0.005)
            assert thread_tokens() == {"total": 3, "borrowed": 3, "waiting": 6}
            go_on.set()
            assert set(await calls) == {200}
            assert meter.most == 3
            meter.until = lambda: meter.most == 9
            assert set(await at_once(proxy, "async_lifespan_state", 9)) == {200}
            assert meter.most == 9


async def test_threads_that_share_a_session_get_their_own_answers() -> None:
    """The asker's doubt: two hundred calls by sixteen threads, each answer is the one to its question."""

    async def echo(exchange: Exchange) -> None:
        path = exchange.request_line.split()[1]
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))

    with threaded_upstream(echo) as upstream:
        async with running_proxy(upstream.url, max_connections=16, thread_tokens=16) as proxy:
            paths = [f"/{number}" for number in range(200)]
            answers = await asyncio.gather(*(call(proxy, "requests_session", path=path) for path in paths))
            pool = await proxy.pool()
    assert [body.decode() for _, _, body in answers] == paths
    assert pool["opened"] <= 16


async def test_threads_write_no_counter_themselves() -> None:
    """`cells[n] += 1` in two threads at once can lose one: every event of a thread happens in the loop's, in order."""

    reporter = LoopReporter()
    seen: list[tuple[int, int]] = []

    def event(number: int) -> None:
        seen.append((number, threading.get_ident()))

    def work() -> None:
        for number in range(100):
            reporter.report(event, number)

    await asyncio.to_thread(work)
    assert seen == [(number, threading.get_ident()) for number in range(100)]
    reporter.report(event, 100)
    assert len(seen) == 101


async def set_cookie(exchange: Exchange) -> None:
    """Give the caller of /login a cookie."""
    cookie = b"Set-Cookie: user=ann; Path=/\r\n" if b"/login" in exchange.request_line else b""
    await exchange.send(b"HTTP/1.1 200 OK\r\n" + cookie + b"Content-Length: 0\r\n\r\n")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_who_carries_one_users_cookie_to_another(host: str) -> None:
    """A shared client does, by IP and by host name; no pattern that is recommended does."""

    with threaded_upstream(set_cookie) as upstream:
        async with running_proxy(f"http://{host}:{upstream.port}") as proxy:
            for name in ("shared_cookies", "requests_in_async", "stream_aiter_raw", *RECOMMENDED):
                for user, path in (("ann", "/login"), ("bob", "/")):
                    assert (await call(proxy, name, f"X-User: {user}", path=path))[0] == 200
                carried = [] if name in RECOMMENDED else [b"user=ann"]
                assert (name, upstream.exchanges[-1].header("cookie")) == (name, carried)

    assert "async_lifespan_state" in RECOMMENDED


@pytest.mark.parametrize(("name", "carried"), [("shared_headers", [b"Bearer ann"]), ("async_lifespan_state", [])])
async def test_a_header_set_on_a_shared_client_goes_out_for_everybody(name: str, carried: list[bytes]) -> None:
    """The second user sends no Authorization at all."""

    async with raw_upstream() as upstream, running_proxy(upstream.url) as proxy:
        await call(proxy, name, "Authorization: Bearer ann")
        await call(proxy, name)
        assert upstream.exchanges[1].header("authorization") == carried


async def test_forgetting_to_close_takes_one_slot_a_call_until_the_pool_times_out() -> None:
    """Three slots, three good answers, then 500; no collection of garbage brings one back."""

    async with (
        raw_upstream() as upstream,
        running_proxy(upstream.url, max_connections=3, pool_timeout_seconds=0.2) as proxy,
    ):
        for number in (1, 2, 3):
            assert (await call(proxy, "forget_aclose"))[0] == 200
            pool = await proxy.pool()
            assert (pool["active"], pool["idle"], pool["requests"]["in_flight"]) == (number, 0, 0)
            assert pool["leaked"] == number
        gc.collect()
        config = json.loads(split(await roundtrip(proxy.port, get("/-/config")))[2])
        assert config["changed"]  # so that the next run begins with a proxy that has all its slots
        paths = [holder["path"] for holder in pool["holders"]]
        assert paths == ["/-/patterns/forget_aclose/"] * 3  # the leak detector names them
        for number in (1, 2):
            status, headers, _ = await call(proxy, "forget_aclose")
            assert status == 500
            assert (b"x-proxy-error", b"pool_exhausted") in headers
            pool = await proxy.pool()
            assert (pool["timeouts"], pool["errors"]["pool_exhausted"], pool["requests"]["failed"]) == (number,) * 3
        assert (pool["active"], pool["opened"], pool["closed"], pool["waiting"]) == (3, 3, 0, 0)
        # another pattern has a pool of its own
        assert (await call(proxy, "async_lifespan_state"))[0] == 200


async def test_a_media_type_that_is_not_there_is_an_error_and_a_lost_slot() -> None:
    """`r.headers['content-type']` raises after the answer was opened and before anything could close it."""

    async with raw_upstream() as upstream, running_proxy(upstream.url) as proxy:
        for number in (1, 2):
            status, headers, body = await call(proxy, "stream_media_type")
            assert status == 500
            assert (b"x-proxy-error", b"internal_error") in headers
            assert b"content-type" not in body
            gc.collect()
            assert (await proxy.pool())["active"] == number


@pytest.mark.parametrize("media_type", ["text/plain", "text/event-stream"])
async def test_on_the_wire_text_plain_streams_like_any_other_type(media_type: str) -> None:
    """The first chunk is there before the upstream sends the second; what a browser does with it is its own affair."""

    go_on = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: 9\r\n\r\nfirst"
        await exchange.send(head.encode())
        await go_on.wait()
        await exchange.send(b"last")

    async with raw_upstream(script) as upstream, running_proxy(upstream.url) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(get("/-/patterns/stream_media_type/"))
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"first")
            go_on.set()
            assert b"last" in await reader.read()
        assert f"content-type: {media_type}".encode() in head
        writer.close()


@pytest.mark.parametrize("upstream_does", ["falls silent", "floods", "is cut"])
@pytest.mark.slow
async def test_a_caller_who_leaves_gets_no_slot_leaked(upstream_does: str) -> None:
    """With a finally or without, with a background task or without, and with no garbage collection at all."""

    gc.collect()
    gc.disable()
    try:

        async def script(exchange: Exchange) -> None:
            await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\nsome")
            if upstream_does == "falls silent":
                await exchange.reader.read()
            elif upstream_does == "is cut":
                exchange.writer.close()
            else:
                for _ in range(100):
                    await exchange.send(b"x" * 100_000)

        names = ["chunk_generator", "chunk_generator_finally", "stream_aiter_raw"] * 2
        async with raw_upstream(script) as upstream, running_proxy(upstream.url, max_connections=2) as proxy:
            for name in names:
                reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
                writer.write(get(f"/-/patterns/{name}/"))
                await reader.readuntil(b"some")
                if upstream_does == "is cut":
                    assert not (await reader.read()).endswith(b"0\r\n\r\n")
                await asyncio.sleep(0.05)
                writer.close()
                await until_pool(proxy, active=0, seconds=1)
            pool = await proxy.pool()
            assert pool["requests"] == {"received": 6, "answered": 0, "failed": 0, "aborted": 6, "in_flight": 0}
            assert pool["opened"] == pool["closed"] == 6
    finally:
        gc.enable()


@pytest.mark.parametrize("module", [chunk_generator, chunk_generator_finally])
async def test_an_error_between_two_chunks_leaks_no_slot_either(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With or without a finally, even while somebody keeps the traceback."""
    kept = []

    class OwnError(StreamingResponse):
        async def stream_response(self, send: Any) -> None:
            chunks = self.body_iterator
            assert isinstance(chunks, AsyncGenerator)
            await anext(chunks)
            try:
                await chunks.athrow(ValueError("of your own"))
            except ValueError as error:
                kept.append(error)
                raise

    monkeypatch.setattr(module, "StreamingResponse", OwnError)

    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        await exchange.reader.read()

    async with raw_upstream(script) as upstream, running_proxy(upstream.url) as proxy:
        assert (await call(proxy, module.__name__.rsplit(".", 1)[1]))[0] == 500
        await until_pool(proxy, active=0, seconds=1)
        assert len(kept) == 1


async def test_a_buffered_call_goes_on_for_nobody() -> None:
    """Its caller leaves; the upstream request is not cancelled, and the streamed one is."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nso")
        await asyncio.sleep(0.8)  # longer than a caller who closed its side within an answer is waited for
        await exchange.send(b"me")

    async with raw_upstream(script) as upstream, running_proxy(upstream.url) as proxy:
        for name, closed in (("buffered_by_content_type", 0), ("async_lifespan_state", 1)):
            _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(get(f"/-/patterns/{name}/"))
            await until_pool(proxy, active=1)
            await asyncio.sleep(0.05)
            own: socket.socket = writer.get_extra_info("socket")  # a FIN alone may be of a caller that still reads
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            pool = await until_pool(proxy, active=0)
            assert pool["closed"] == closed
        await asyncio.sleep(0.01)
        assert (await proxy.pool())["requests"]["aborted"] == 2


async def test_a_client_of_the_module_is_closed_by_the_first_shutdown_for_good() -> None:
    """As in tests that start an app twice: the module is not run again."""

    class Bare:
        def async_client(self) -> Any:
            import httpx

            return httpx.AsyncClient()

        def url(self, request: Request) -> str:
            return "http://127.0.0.1:9/"

        def headers(self, request: Request) -> dict[str, str]:
            return {}

    app = async_module_global.build(cast("Upstream", Bare()))

    async with app.router.lifespan_context(app):
        pass  # started and stopped once

    async with app.router.lifespan_context(app):
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "root_path": ""}

        async def receive() -> Any:
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            pass

        with pytest.raises(RuntimeError, match="client has been closed"):
            await app(scope, receive, send)


async def test_events_do_not_run_beside_a_lifespan() -> None:
    """The client of a startup event is never opened where the app has a lifespan too."""
    from contextlib import asynccontextmanager

    ran = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        ran.append("lifespan")
        yield

    app = FastAPI(lifespan=lifespan)
    with pytest.deprecated_call():
        app.on_event("startup")(lambda: ran.append("startup"))

    async with app.router.lifespan_context(app):
        pass
    assert ran == ["lifespan"]


async def test_no_request_can_match_the_second_documents_route() -> None:
    """FastAPI takes a URL for a path and answers 404 to everything."""
    app = FastAPI()
    app.get("https://stackoverflow.com/")(lambda: "never")
    sent = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    for path in ("/", "https://stackoverflow.com/", "/https://stackoverflow.com/"):
        request = {"type": "http", "method": "GET", "path": path, "query_string": b"", "root_path": ""}
        scope: dict[str, Any] = request | {"headers": []}
        await app(scope, receive, send)
    assert [message["status"] for message in sent if "status" in message] == [404, 404, 404]
