import asyncio
import contextlib
import socket
import struct
import time
from collections import Counter
from functools import partial
from typing import Any

from support.behaviours import Stand, behaviour
from support.eventually import eventually
from support.faults import refuses_early, reset, stops_in_the_body
from support.raw_http import Exchange, RawUpstream, get, raw_upstream, roundtrip, split, statuses
from support.servers import RunningProxy, running_proxy

PATIENT: dict[str, Any] = {"pool_timeout_seconds": 15, "read_timeout_seconds": 15}
"""Longer than anything here may take on a busy machine."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def free(proxy: RunningProxy, within: float = 5.0) -> dict[str, Any]:
    """Return the pool when nothing is held; the time-outs in force are longer than `within`."""

    async def nothing_is_held() -> bool:
        pool = await proxy.pool()
        return bool(pool["active"] == pool["requests"]["in_flight"] == 0)

    await eventually(nothing_is_held, within)
    return await proxy.pool()


async def sleeps(exchange: Exchange) -> None:
    await exchange.reader.read()


@behaviour(5)
async def test_100_continue_comes_when_the_body_is_wanted(stand: Stand) -> None:
    """As no body is read first, not while the request waits for a connection; and Expect is not sent on."""
    release = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        if exchange.request_line.startswith(b"GET"):
            await release.wait()
        await exchange.send(OK)

    async with stand.open(script, max_connections=1, request_buffer_bytes=0) as (upstream, proxy):
        first = asyncio.create_task(roundtrip(proxy.port, get()))
        await eventually(lambda: _sent(upstream, 1))
        reader, writer = await stand.connect(proxy.port)
        writer.write(get("/", "Expect: 100-continue", "Content-Length: 2", method="POST"))
        early = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
        await asyncio.sleep(0.1)
        assert not early.done()
        release.set()
        assert (await asyncio.wait_for(early, 5)).startswith(b"HTTP/1.1 100 ")
        writer.write(b"hi")
        assert split(await asyncio.wait_for(reader.read(), 5))[0] == 200
        writer.close()
        assert split(await first)[0] == 200
        assert upstream.exchanges[1].body == b"hi"
        assert upstream.exchanges[1].header("expect") == []


async def _sent(upstream: RawUpstream, count: int) -> bool:
    return len(upstream.exchanges) >= count


@behaviour(5)
async def test_another_expectation_is_417(stand: Stand) -> None:
    """Nothing goes on."""
    async with stand.open() as (upstream, proxy):
        odd = get("/", "Expect: teapot", "Content-Length: 2", method="POST") + b"hi"
        second = odd.replace(b"Expect: teapot", b"Expect: 100-continue\r\nExpect: teapot")
        for request in (odd, second, odd.replace(b"teapot", b"100-continue, teapot")):
            assert (await roundtrip(proxy.port, request)).startswith(b"HTTP/1.1 417 ")
        assert upstream.exchanges == []
        twice = await roundtrip(proxy.port, second.replace(b"teapot", b"100-continue"))
        assert twice.startswith(b"HTTP/1.1 100 ")
        assert statuses(twice) == [200]


@behaviour(21)
async def test_a_slow_reader_stops_the_upstream_and_a_slow_upstream_stops_the_caller(stand: Stand) -> None:
    """Of 64 MiB only what the buffers on the way hold is taken."""
    size = 64 << 20
    sent = 0

    async def script(exchange: Exchange) -> None:
        nonlocal sent
        if exchange.request_line.startswith(b"POST"):
            await exchange.reader.readexactly(1)
            await asyncio.sleep(30)
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            await exchange.send(bytes(65_536))
            sent += 65_536

    async with stand.open(script, reads_body=False, write_timeout_seconds=1) as (_, proxy):
        reader, writer = await stand.connect(proxy.port, limit=65_536)
        writer.write(get())
        await reader.readexactly(1)
        await asyncio.sleep(0.5)
        assert sent < 24 << 20
        writer.transport.abort()

        reader, writer = await stand.connect(proxy.port)
        writer.write(get("/", f"Content-Length: {size}", method="POST"))
        taken = 0
        try:
            async with asyncio.timeout(0.5):
                while taken < size:
                    writer.write(bytes(65_536))
                    await writer.drain()
                    taken += 65_536
        except TimeoutError:
            pass
        assert taken < 24 << 20
        writer.transport.abort()


@behaviour(22)
async def test_head_and_chunks_are_passed_on_as_they_come(stand: Stand) -> None:
    """The head before any body, a chunk before the next."""
    steps = [asyncio.Event() for _ in range(2)]

    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await steps[0].wait()
        await exchange.send(b"5\r\nfirst\r\n")
        await steps[1].wait()
        await exchange.send(b"0\r\n\r\n")

    async with stand.open(script) as (_, proxy):
        reader, writer = await stand.connect(proxy.port)
        writer.write(get())
        async with asyncio.timeout(5):
            await reader.readuntil(b"\r\n\r\n")
            steps[0].set()
            await reader.readuntil(b"first")
            steps[1].set()
            assert (await reader.read()).endswith(b"0\r\n\r\n")
        writer.close()


@behaviour(23)
async def test_a_request_body_is_passed_on_as_it_comes(stand: Stand) -> None:
    """With a length and in chunks, where none is read first."""
    arrived = asyncio.Queue[bytes]()

    async def script(exchange: Exchange) -> None:
        data = b""
        while b"last" not in data:
            data += await exchange.reader.read(100)
            await arrived.put(data)
        if exchange.header("transfer-encoding") and not data.endswith(b"0\r\n\r\n"):
            await exchange.reader.readuntil(b"0\r\n\r\n")
        await exchange.send(OK)

    async def expect(piece: bytes) -> None:
        while piece not in await arrived.get():
            pass

    async with stand.open(script, reads_body=False, request_buffer_bytes=0) as (_, proxy):
        for framing, first, last in (
            ("Content-Length: 9", b"first", b"last"),
            ("Transfer-Encoding: chunked", b"5\r\nfirst\r\n", b"4\r\nlast\r\n0\r\n\r\n"),
        ):
            reader, writer = await stand.connect(proxy.port)
            writer.write(get("/", framing, method="POST") + first)
            async with asyncio.timeout(5):
                await expect(b"first")
                writer.write(last)
                assert split(await reader.read())[0] == 200
            writer.close()


WRITES_TO_THE_END = "the library writes a request to its end before it reads, so it takes the whole upload first"


@behaviour(25, differs={"httpx": WRITES_TO_THE_END, "httpx2": WRITES_TO_THE_END})
async def test_a_refusal_during_an_upload_reaches_the_caller_and_stops_it(stand: Stand) -> None:
    """Of 512 MiB that the caller would send only little is taken, and it can read the 413."""
    async with stand.open(refuses_early, reads_body=False, **PATIENT) as (upstream, proxy):
        reader, writer = await stand.connect(proxy.port)
        writer.write(get("/", f"Content-Length: {512 << 20}", method="POST"))
        answer = asyncio.create_task(reader.readuntil(b"big"))
        sent = 0
        async with asyncio.timeout(10):
            while not answer.done():
                writer.write(bytes(65_536))
                await writer.drain()
                await asyncio.sleep(0)
                sent += 65_536
                assert sent < 256 << 20
        status, headers, body = split(await answer)
        assert (status, body) == (413, b"big")
        assert (b"connection", b"close") in headers
        await eventually(lambda: _nobody_holds(proxy))
        await eventually(lambda: _closed(upstream, 1))  # after it has read what was on its way
        writer.transport.abort()


STOPS_READING = "502 `upstream_reset`: the library does not read while it writes, and loses what has come"


@behaviour(25, differs={"httpx": STOPS_READING, "httpx2": STOPS_READING})
async def test_a_refusal_reaches_the_caller_though_the_upstream_hangs_up(stand: Stand) -> None:
    """With a reset, as it leaves the upload unread."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
        exchange.writer.close()

    async with stand.open(script, reads_body=False, **PATIENT) as (_, proxy):
        reader, writer = await stand.connect(proxy.port)
        writer.write(get("/", f"Content-Length: {8 << 20}", method="POST") + bytes(8 << 20))
        assert split(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10))[0] == 413
        writer.transport.abort()


async def _nobody_holds(proxy: RunningProxy) -> bool:
    return bool((await proxy.pool())["active"] == 0)


async def _closed(upstream: RawUpstream, count: int) -> bool:
    return upstream.closed == count


@behaviour(26, differs={"pyreqwest": "the library goes on until the head or the read time-out, shown as `abandoned`"})
async def test_a_caller_who_leaves_before_the_head_cancels_the_upstream_request(stand: Stand) -> None:
    """Its connection is closed long before a time-out and the slot serves the next."""
    async with stand.open(sleeps, max_connections=1, **PATIENT) as (upstream, proxy):
        _, writer = await stand.connect(proxy.port)
        writer.write(get())
        await eventually(lambda: _sent(upstream, 1))
        writer.close()
        await eventually(lambda: _closed(upstream, 1))
        pool = await free(proxy)
        assert pool["requests"]["aborted"] == 1


@behaviour(
    26, differs={"pyreqwest": "a request that waits in the library's queue is sent for nobody when its turn comes"}
)
async def test_a_caller_who_leaves_the_queue_is_never_sent(stand: Stand) -> None:
    """With a small body too: it is read ahead, so that its leaving is noticed."""
    release = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await release.wait()
        await exchange.send(OK)

    async with stand.open(script, max_connections=1, **PATIENT) as (upstream, proxy):
        first = asyncio.create_task(roundtrip(proxy.port, get("/first"), timeout=15))
        await eventually(lambda: _sent(upstream, 1))
        for request in (get("/gone"), get("/gone", "Content-Length: 2", method="POST") + b"hi"):
            _, writer = await stand.connect(proxy.port)
            writer.write(request)
            await eventually(lambda: _in_flight(proxy, 2))
            writer.close()
            await eventually(lambda: _in_flight(proxy, 1))
        release.set()
        assert split(await first)[0] == 200
        assert split(await roundtrip(proxy.port, get("/last")))[0] == 200
        assert [e.request_line.split()[1] for e in upstream.exchanges] == [b"/first", b"/last"]


@behaviour(26)
async def test_a_caller_who_leaves_the_queue_with_more_than_is_read_ahead_is_noticed(stand: Stand) -> None:
    """Nothing more is read of its upload, so that the server does not see it leave: the kernel is asked."""
    async with stand.open(sleeps, max_connections=1, **PATIENT) as (upstream, proxy):
        _, first = await stand.connect(proxy.port)
        first.write(get("/first"))
        await eventually(lambda: _sent(upstream, 1))
        for framing in ("Content-Length: 4000000", "Transfer-Encoding: chunked"):
            _, writer = await stand.connect(proxy.port)
            writer.write(get("/gone", framing, method="POST") + b"30000\r\n" + bytes(0x30000))
            await writer.drain()
            await eventually(lambda: _in_flight(proxy, 2))
            writer.close()
            await eventually(lambda: _in_flight(proxy, 1))
        first.close()


async def _in_flight(proxy: RunningProxy, count: int) -> bool:
    return bool((await proxy.pool())["requests"]["in_flight"] == count)


@behaviour(27)
async def test_a_caller_who_leaves_in_the_answer_cancels_the_rest(stand: Stand) -> None:
    """The upstream's connection is closed long before a time-out."""
    async with stand.open(stops_in_the_body, max_connections=1, **PATIENT) as (upstream, proxy):
        reader, writer = await stand.connect(proxy.port)
        writer.write(get())
        await reader.readuntil(b"some")
        writer.close()
        await eventually(lambda: _closed(upstream, 1))
        assert (await free(proxy))["requests"]["aborted"] == 1


@behaviour(28)
async def test_a_caller_who_leaves_in_its_upload_never_completes_it(stand: Stand) -> None:
    """Chunked or with a length: no last chunk, fewer bytes, and the connection closed long before a time-out."""
    for framing, part in (("Transfer-Encoding: chunked", b"4\r\npart\r\n"), ("Content-Length: 9", b"part")):
        async with stand.open(request_buffer_bytes=0, read_timeout_seconds=15) as (upstream, proxy):
            _, writer = await stand.connect(proxy.port)
            writer.write(get("/", framing, method="POST") + part)
            await eventually(lambda: _connected(upstream))
            await asyncio.sleep(0.1)
            writer.close()
            await eventually(lambda: _closed(upstream, 1))
            assert upstream.exchanges == []
            assert (await free(proxy))["requests"]["aborted"] == 1


@behaviour(28)
async def test_a_caller_who_resets_an_upload_that_nobody_takes_is_noticed(stand: Stand) -> None:
    """Before the write time-out; a caller that closes is found then, for its FIN stands behind what nobody takes."""

    async def script(exchange: Exchange) -> None:
        transport = exchange.writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        await asyncio.sleep(30)

    async with stand.open(script, reads_body=False, write_timeout_seconds=10, read_timeout_seconds=10) as (_, proxy):
        loop = asyncio.get_running_loop()
        with socket.create_connection(("127.0.0.1", proxy.port)) as caller:
            caller.setblocking(False)
            await loop.sock_sendall(caller, get("/", "Content-Length: 100000000", method="POST"))
            with contextlib.suppress(TimeoutError):
                while True:
                    await asyncio.wait_for(loop.sock_sendall(caller, bytes(65_536)), 0.3)
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert (await free(proxy))["requests"]["aborted"] == 1


async def _connected(upstream: RawUpstream) -> bool:
    return upstream.connections > 0


@behaviour(29)
async def test_an_upstream_that_dies_in_its_answer_is_never_a_clean_end(stand: Stand) -> None:
    """A caller sees fewer bytes than declared, or no last chunk."""
    for head in (b"Content-Length: 100\r\n\r\nsome", b"Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n"):

        async def script(exchange: Exchange) -> None:
            await exchange.send(b"HTTP/1.1 200 OK\r\n" + head)  # noqa: B023
            await asyncio.sleep(0.05)
            exchange.writer.close()

        async with stand.open(script) as (_, proxy):
            answer = await roundtrip(proxy.port, get())
            assert b"some" in answer
            assert not answer.endswith(b"0\r\n\r\n")
            assert (await free(proxy))["requests"]["aborted"] == 1


@behaviour(33)
async def test_a_closed_kept_connection_costs_one_more_try_and_never_a_second_post(stand: Stand) -> None:
    """Every second request on a connection is answered by hanging up: a GET comes through, a POST is sent once."""
    executed: Counter[bytes] = Counter()

    async def script(exchange: Exchange) -> None:
        executed[exchange.request_line.split()[1]] += 1
        if exchange.number_on_connection > 1:
            exchange.writer.close()
        else:
            await exchange.send(OK)

    async with stand.open(script, max_connections=1, retries=1) as (_, proxy):
        assert split(await roundtrip(proxy.port, get("/0")))[0] == 200
        for number in range(1, 8):
            await roundtrip(proxy.port, get(f"/get-{number}"))
        for number in range(8):
            await roundtrip(proxy.port, get(f"/post-{number}", "Content-Length: 2", method="POST") + b"hi")
            await roundtrip(proxy.port, get(f"/empty-{number}", "Content-Length: 0", method="POST"))
        assert max(count for path, count in executed.items() if path.startswith((b"/post", b"/empty"))) == 1


@behaviour(33, differs={"pyreqwest": "it does not tell a kept connection from a new one: nothing is tried again"})
async def test_a_get_on_a_closed_kept_connection_succeeds(stand: Stand) -> None:
    """Two executions, one answer; with PROXY_RETRIES=0 it is 502."""
    executed: Counter[bytes] = Counter()

    async def script(exchange: Exchange) -> None:
        executed[exchange.request_line] += 1
        if exchange.number_on_connection > 1:
            exchange.writer.close()
        else:
            await exchange.send(OK)

    async with stand.open(script, max_connections=1, retries=0) as (_, proxy):
        assert [split(await roundtrip(proxy.port, get()))[0] for _ in range(2)] == [200, 502]
    executed.clear()
    async with stand.open(script, max_connections=1, retries=1) as (_, proxy):
        assert split(await roundtrip(proxy.port, get()))[0] == 200
        assert split(await roundtrip(proxy.port, get("/again", method="DELETE")))[0] == 200
        assert executed[b"DELETE /again HTTP/1.1"] == 2


@behaviour(33)
async def test_what_began_to_be_answered_is_not_tried_again(stand: Stand) -> None:
    """Half a status line is an answer, and so is a 1xx; however the connection ends then."""
    began, by_reset = b"", False

    async def script(exchange: Exchange) -> None:
        if exchange.number_on_connection == 1:
            await exchange.send(OK)
            return
        await exchange.send(began)
        await asyncio.sleep(0.05)
        if by_reset:
            await reset(exchange)
        exchange.writer.close()

    async with stand.open(script, max_connections=1, retries=5) as (upstream, proxy):
        for began in (b"H", b"HTTP/1.1 2", b"HTTP/1.1 103 Early Hints\r\n\r\n"):
            for by_reset in (False, True):
                sent = len(upstream.exchanges)
                assert [split(await roundtrip(proxy.port, get()))[0] for _ in range(2)] == [200, 502]
                assert len(upstream.exchanges) == sent + 2, (began, by_reset)


@behaviour(34)
async def test_read_and_total_time_outs_have_codes_of_their_own(stand: Stand) -> None:
    """Neither comes early, nor so late that it could be another one."""
    cases: list[tuple[dict[str, Any], bytes]] = [
        ({"read_timeout_seconds": 0.3}, b"upstream_read_timeout"),
        ({"total_timeout_seconds": 0.3}, b"total_timeout"),
    ]
    for settings, code in cases:
        async with stand.open(sleeps, **PATIENT | settings) as (_, proxy):
            began = time.monotonic()
            status, headers, _ = split(await roundtrip(proxy.port, get()))
            assert (status, dict(headers)[b"x-proxy-error"]) == (504, code)
            assert 0.28 <= time.monotonic() - began < 10
            await free(proxy)


OF_THE_HEAD = "its read time-out is for the whole head, from the beginning of the request"


@behaviour(34, differs={"pyreqwest": OF_THE_HEAD})
async def test_a_head_that_comes_in_pieces_may_outlast_the_read_time_out(stand: Stand) -> None:
    """It is the longest silence."""

    async def script(exchange: Exchange) -> None:
        for piece in (b"HTTP/1.1 200 OK\r\n", b"X-A: 1\r\n", b"X-B: 2\r\n", OK.partition(b"\r\n")[2]):
            await asyncio.sleep(0.5)
            await exchange.send(piece)

    async with stand.open(script, read_timeout_seconds=1.5) as (_, proxy):
        assert split(await roundtrip(proxy.port, get()))[0] == 200


@behaviour(34)
async def test_a_write_that_stalls_is_a_time_out(stand: Stand) -> None:
    """Of an upstream that takes nothing of an upload."""

    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(30)

    async with stand.open(script, reads_body=False, write_timeout_seconds=0.3, read_timeout_seconds=15) as (_, proxy):
        reader, writer = await stand.connect(proxy.port)
        writer.write(get("/", f"Content-Length: {32 << 20}", method="POST") + bytes(32 << 20))
        async with asyncio.timeout(15):
            answer = await reader.readuntil(b"\r\n\r\n")
        assert (split(answer)[0], dict(split(answer)[1])[b"x-proxy-error"]) == (504, b"upstream_write_timeout")
        writer.transport.abort()


@behaviour(37)
async def test_what_is_in_flight_is_finished_at_shutdown(stand: Stand) -> None:
    """The server is told to end while an answer is still to come."""

    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(0.3)
        await exchange.send(OK)

    async with raw_upstream(script) as upstream:
        async with running_proxy(upstream.url, client=stand.client) as proxy:
            in_flight = asyncio.create_task(roundtrip(proxy.port, get()))
            await eventually(lambda: _sent(upstream, 1))
        assert split(await in_flight)[0] == 200
        try:
            await roundtrip(proxy.port, get())
        except ConnectionError:
            return
        raise AssertionError("still listening")


@behaviour(38)
async def test_the_queue_is_bounded_and_in_order(stand: Stand) -> None:
    """One is worked on, two wait in order of arrival, the next is told at once to come again."""
    go_on = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await go_on.wait()
        await exchange.send(OK)

    async with stand.open(script, max_in_flight=1, max_waiting=2, **PATIENT) as (upstream, proxy):
        tasks = []
        for number in range(3):
            tasks.append(asyncio.create_task(roundtrip(proxy.port, get(f"/{number}"), timeout=15)))
            await eventually(partial(_in_flight, proxy, number + 1))
        status, headers, _ = split(await roundtrip(proxy.port, get("/over")))
        assert (status, dict(headers)[b"x-proxy-error"]) == (503, b"overloaded")
        assert b"retry-after" in dict(headers)
        go_on.set()
        assert [split(answer)[0] for answer in await asyncio.gather(*tasks)] == [200] * 3
        assert [e.request_line.split()[1] for e in upstream.exchanges] == [b"/0", b"/1", b"/2"]
