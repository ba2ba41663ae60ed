"""Every fault on real sockets: the bytes that come and how they end, FIN or RST, on both loops."""

import asyncio
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import pytest

from support.fault_cases import CASES, FOUND, SHORT, asked, good
from support.fault_client import Seen, connect, converse, read_answer, read_to_end
from support.mock_upstream import RunMock, both_loops
from upstream_mock.faults.responses import TOO_LARGE

GET = b"GET %s HTTP/1.1\r\nhost: mock\r\nx-upstream-fault: %s\r\n\r\n"
POST = b"POST %s HTTP/1.1\r\nhost: mock\r\nx-upstream-fault: %s\r\ncontent-length: %d\r\n\r\n%s"


def test_every_fault_has_a_case() -> None:
    """Or it is not known what it sends."""
    tried = {case.asks.split()[0] for case in CASES}
    assert set(FOUND) - tried == {"STATUS"}
    for name, words in SHORT.items():
        assert words.partition("=")[0] in {each.name.rstrip("_") for each in fields(FOUND[name])}


@both_loops
async def test_the_bytes_of_every_fault(run_mock: RunMock, caplog: pytest.LogCaptureFixture) -> None:
    """What is seen is what the fault describes, what is counted is what was seen, and nothing is logged."""
    async with run_mock(latency="constant(1ms)") as running:
        requests = [GET % (case.path.encode(), case.asks.encode()) for case in CASES]
        for case, seen in zip(CASES, await at_once(running.data, requests), strict=True):
            assert case.right(seen), (case.asks, case.path, seen.end, seen.data[:300], len(seen.data))
        await running.until(lambda: not running.mock.connections.open)
        stats = running.mock.stats()
        cut, left = (sum(case.outcome == outcome for case in CASES) for outcome in ("cut", "left"))
        assert stats["requests"] == {
            "started": len(CASES),
            "completed": len(CASES) - cut - left,
            "abandoned": cut + left,
            "faulted": cut,
            "in_flight": 0,
        }
        assert sum(stats["faults"].values()) == len(CASES) - 2
    assert not caplog.records


@both_loops
async def test_close_on_reuse_is_the_keep_alive_race(run_mock: RunMock) -> None:
    """A connection's first request is answered, its second gets FIN and no byte; a fresh connection works."""
    async with run_mock(latency="constant(0ms)", fault="CLOSE_ON_REUSE") as running:

        def race() -> tuple[Seen, Seen, Seen]:
            with connect(running.data) as kept:
                kept.sendall(GET % (b"/work", b""))
                first = read_answer(kept)
                kept.sendall(GET % (b"/work", b""))
                second = read_to_end(kept)
            return first, second, converse(running.data, GET % (b"/work", b""), 0.1)

        first, second, fresh = await asyncio.to_thread(race)
        assert good(first)
        assert second == Seen(b"", "FIN")
        assert good(fresh)
        assert running.mock.stats()["faults"] == {"CLOSE_ON_REUSE": 1}


@both_loops
async def test_fin_is_fin_with_a_body_of_megabytes(run_mock: RunMock) -> None:
    """The request is read to its end first: a socket that is closed with bytes unread would send RST."""
    async with run_mock(latency="constant(0ms)") as running:
        body = b"x" * 3_000_000
        for asks in (b"EMPTY_RESPONSE", b"STATUS_999"):
            request = POST % (b"/work", asks, len(body), body)
            assert (await asyncio.to_thread(converse, running.data, request, 2)).end == "FIN"


@both_loops
async def test_early_413_comes_while_the_upload_runs(run_mock: RunMock) -> None:
    """After the head comes the answer, then FIN; what is sent on is thrown away."""
    async with run_mock(latency="constant(0ms)", fault="EARLY_413 linger=20s") as running:

        def upload() -> tuple[Seen, Seen]:
            with connect(running.data) as connection:
                connection.sendall(POST % (b"/work", b"", 10_000_000, b"x" * 1000))
                seen = read_to_end(connection, 5)
                for _ in range(40):  # more than any socket's buffers hold, another request among it
                    connection.sendall(GET % (b"/work", b"") + b"x" * 200_000)
                connection.shutdown(socket.SHUT_WR)
                return seen, read_to_end(connection, 5)

        seen, after = await asyncio.to_thread(upload)
        assert seen == Seen(TOO_LARGE, "FIN")
        assert after == Seen(b"", "FIN")
        await running.until(lambda: not running.mock.connections.open)
        stats = running.mock.stats()
        assert (stats["requests"]["started"], stats["requests"]["completed"]) == (1, 1)
        assert stats["connections"]["closed_by"]["server"] == 1


@both_loops
async def test_early_413_without_lingering_is_torn(run_mock: RunMock) -> None:
    """`linger=0s` closes at once, and a client that sends on gets RST."""
    async with run_mock(latency="constant(0ms)", fault="EARLY_413 linger=0s") as running:

        def upload() -> None:
            with connect(running.data) as connection:
                connection.sendall(POST % (b"/work", b"", 100_000_000, b"x" * 1000))
                for _ in range(1000):
                    connection.sendall(b"x" * 100_000)

        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            await asyncio.to_thread(upload)


@both_loops
@pytest.mark.slow
async def test_stalls_and_drips_take_their_time(run_mock: RunMock) -> None:
    """Never less than their delay; before an endless one come the bytes that belong there, and no more."""
    async with run_mock(latency="constant(0ms)") as running:

        def seconds(asks: bytes) -> float:
            with connect(running.data) as connection:
                began = time.monotonic()
                connection.sendall(GET % (b"/work", asks))
                assert good(read_answer(connection))
                return time.monotonic() - began

        halted, drops = b"STALL_IN_BODY after=20", b"SLICER size=24"
        timed = (b"STALL_BEFORE_HEADERS delay=200ms", halted + b" delay=200ms", drops + b" delay=50ms")
        assert min(await asyncio.gather(*(asyncio.to_thread(seconds, asks) for asks in timed))) >= 0.2
        seen = await at_once(running.data, [GET % (b"/work", asks + b" delay=3600s") for asks in (halted, drops)])
        assert [(len(each.body), each.end) for each in seen] == [(20, "open"), (24, "open")]


@both_loops
async def test_any_fault_with_any_request(run_mock: RunMock, caplog: pytest.LogCaptureFixture) -> None:
    """Bodies unread, pipelines, HEAD: nothing hangs, everything adds up, nothing is logged."""
    async with run_mock(latency="constant(1ms)") as running:
        names = [name for name in FOUND if name != "STOP_ACCEPTING"]
        requests = [request for name in names for request in requests_of(asked(name).encode())]
        assert len(requests) == 7 * (len(FOUND) - 1)
        await at_once(running.data, requests)
        await running.until(lambda: not running.mock.connections.open)
        total = running.mock.stats()["requests"]
        assert total["in_flight"] == 0
        assert total["started"] == total["completed"] + total["abandoned"] >= len(requests)
        assert len(asyncio.all_tasks()) <= 3 + 2  # this one, the two servers' and their lifespans
    assert not caplog.records


@both_loops
async def test_a_client_that_leaves_after_a_large_upload_is_noticed(run_mock: RunMock) -> None:
    """At once, and not after the delay: its last piece, larger than what uvicorn keeps unread, pauses the reading."""
    async with run_mock(latency="constant(0ms)") as running:
        upload = POST % (b"/anything", b"STALL_IN_BODY delay=60s", 300_000, b"x" * 300_000)
        assert (await asyncio.to_thread(converse, running.data, upload, 0.1)).end == "open"
        await running.until(lambda: not running.mock.connections.open)


async def at_once(port: int, requests: list[bytes]) -> list[Seen]:
    """A conversation each, all at the same time."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(len(requests)) as threads:
        return await asyncio.gather(*(loop.run_in_executor(threads, converse, port, request) for request in requests))


def requests_of(asks: bytes) -> list[bytes]:
    """All kinds of requests that ask for a fault."""
    plain = b"GET /work HTTP/1.1\r\nhost: mock\r\n\r\n"
    head = b"POST /work HTTP/1.1\r\nhost: mock\r\nx-upstream-fault: %s\r\n" % asks
    return [
        GET % (b"/anything", asks),
        POST % (b"/anything", asks, 300_000, b"x" * 300_000),
        head + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        head + b"expect: 100-continue\r\ncontent-length: 5\r\n\r\n",
        plain + GET % (b"/work", asks) + plain + GET % (b"/work", asks),
        GET.replace(b"GET", b"HEAD") % (b"/work", asks),
        b"GET /work HTTP/1.0\r\nx-upstream-fault: %s\r\n\r\n" % asks,
    ]
