"""Every fault on real sockets: the bytes that come and how they end, FIN or RST, on both loops."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import pytest

from support.fault_client import Seen, arrivals, connect, converse, read_answer, read_to_end
from support.mock_upstream import RunMock, both_loops
from upstream_mock.faults.malformed import OK
from upstream_mock.faults.responses import HINTS, TOO_LARGE
from upstream_mock.faults.runtime.fault import Fault, RawAnswer
from upstream_mock.faults.runtime.registry import discover

GET = b"GET %s HTTP/1.1\r\nhost: mock\r\nx-upstream-fault: %s\r\n\r\n"
POST = b"POST %s HTTP/1.1\r\nhost: mock\r\nx-upstream-fault: %s\r\ncontent-length: %d\r\n\r\n%s"
SHORT = {
    "STALL_BEFORE_HEADERS": "delay=50ms",
    "STALL_IN_BODY": "delay=50ms",
    "SLICER": "delay=5ms size=50000",
    "EARLY_413": "linger=50ms",
    "STOP_ACCEPTING": "for=50ms",
}
"""What a fault that takes time is given where its time is not the subject."""

OnLoop = Callable[[Coroutine[object, object, None]], None]


@dataclass(frozen=True)
class Case:
    """A fault as it is asked for, what must be seen of it, and whether the mock calls that an answer."""

    asks: str
    right: Callable[[Seen], bool]
    completed: bool = True
    path: str = "/work"


def good(seen: Seen, *, length: int = 120) -> bool:
    """The answer of /work, whole, on a connection that stays."""
    return seen.head.startswith(b"HTTP/1.1 200 OK\r\n") and len(seen.body) == length and seen.end == "open"


def is_raw(fault: type[Fault], end: str = "FIN") -> Callable[[Seen], bool]:
    """To the byte what the fault's docstring describes."""
    assert issubclass(fault, RawAnswer)
    answer = fault.answer
    return lambda seen: seen == Seen(answer, end)


FOUND = discover()
RAW = ["BAD_HEADER", "CONTENT_LENGTH_AND_CHUNKED", "CONTENT_LENGTHS_DIFFER", "HEADER_WITH_NUL"]
RAW += ["NEGATIVE_CONTENT_LENGTH", "STATUS_999"]
CASES = [
    *(Case(name, is_raw(FOUND[name])) for name in RAW),
    Case("NOT_MODIFIED_WITH_LENGTH", is_raw(FOUND["NOT_MODIFIED_WITH_LENGTH"], "open")),
    Case("STATUS_503", lambda seen: seen.data.startswith(b"HTTP/1.1 503 ") and seen.body == b'{"error":"STATUS_503"}'),
    Case("STATUS_429", lambda seen: seen.data.startswith(b"HTTP/1.1 429 ") and seen.end == "open"),
    Case("EMPTY_RESPONSE", lambda seen: seen == Seen(b"", "FIN"), completed=False),
    Case("CONNECTION_RESET_BY_PEER", lambda seen: seen == Seen(b"", "RST"), completed=False),
    Case(
        "MALFORMED_RESPONSE_CHUNK",
        lambda seen: seen == Seen(OK + b"transfer-encoding: chunked\r\n\r\nzz\r\nthis is no chunk\r\n", "FIN"),
        completed=False,
    ),
    Case(
        "RANDOM_DATA_THEN_CLOSE bytes=5000",
        lambda seen: len(seen.data) == 5000 and not seen.data.startswith(b"HTTP") and seen.end == "FIN",
        completed=False,
    ),
    Case(
        "LIMIT_DATA after=50",
        lambda seen: b"content-length: 120" in seen.head and len(seen.body) == 50 and seen.end == "FIN",
        completed=False,
    ),
    Case("LIMIT_DATA after=5000", lambda seen: len(seen.body) == 119 and seen.end == "FIN", completed=False),
    Case("LIMIT_DATA after=0", lambda seen: seen.head.endswith(b"}") or not seen.body, completed=False),
    Case(
        "LIMIT_DATA after=5000",
        lambda seen: b"chunked" in seen.head and seen.body.endswith(b"}\n\r\n") and seen.end == "FIN",
        completed=False,
        path="/stream/3",
    ),
    Case(
        "LIMIT_DATA after=70000",
        lambda seen: len(seen.body) == 70_000 and seen.end == "FIN",
        completed=False,
        path="/bytes/1000000",
    ),
    Case(
        "LIMIT_DATA_RESET after=50",
        lambda seen: len(seen.body) == 50 and seen.end == "RST",
        completed=False,
    ),
    Case(
        "LIMIT_DATA_RESET after=700000",
        lambda seen: len(seen.body) == 700_000 and seen.end == "RST",
        completed=False,
        path="/bytes/1000000",
    ),
    Case("LIMIT_DATA", lambda seen: seen.data.startswith(b"HTTP/1.1 204 ") and seen.end == "open", path="/status/204"),
    Case(
        "HUGE_HEADER",
        lambda seen: b"x-huge: " + b"h" * 300_000 in seen.head and len(seen.body) == 120 and seen.end == "open",
    ),
    Case("EARLY_HINTS", lambda seen: seen.data.startswith(HINTS) and b"\r\nHTTP/1.1 200 OK\r\n" in seen.data),
    Case("STALL_BEFORE_HEADERS delay=50ms", good),
    Case("STALL_IN_BODY delay=50ms", good),
    Case("STALL_IN_BODY delay=50ms", lambda seen: seen.body.endswith(b"0\r\n\r\n"), path="/stream/3"),
    Case("SLICER delay=5ms", good),
    Case("SLICER delay=1ms size=100", lambda seen: seen.body.endswith(b"0\r\n\r\n"), path="/stream/3"),
    Case("STOP_ACCEPTING for=1ms", good),
    # What cannot be done to this request is not done.
    Case("CLOSE_ON_REUSE", good),
    Case("EARLY_413", good),
]


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
        cut = sum(not case.completed for case in CASES)
        assert stats["requests"] == {
            "started": len(CASES),
            "completed": len(CASES) - cut,
            "abandoned": cut,
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
    """Never less than their delay, and with the bytes where they belong."""
    async with run_mock(latency="constant(0ms)") as running:

        async def came(asks: bytes) -> list[tuple[float, bytes]]:
            return await asyncio.to_thread(arrivals, running.data, GET % (b"/work", asks), 0.3)

        stalled = await came(b"STALL_BEFORE_HEADERS delay=200ms")
        assert stalled[0][0] >= 0.2
        halted = await came(b"STALL_IN_BODY delay=200ms after=20")
        early = b"".join(piece for at, piece in halted if at < 0.2)
        assert len(early.partition(b"\r\n\r\n")[2]) == 20
        assert halted[-1][0] >= 0.2
        drops = await came(b"SLICER delay=50ms size=24")
        assert drops[-1][0] >= 0.2
        assert [len(piece) for _, piece in drops[-4:]] == [24] * 4


@both_loops
async def test_any_fault_with_any_request(run_mock: RunMock, caplog: pytest.LogCaptureFixture) -> None:
    """Bodies unread, pipelines, HEAD: nothing hangs, everything adds up, nothing is logged."""
    async with run_mock(latency="constant(1ms)") as running:
        names = ["STATUS_500" if name == "STATUS" else name for name in FOUND if name != "STOP_ACCEPTING"]
        asked = [f"{name} {SHORT.get(name, '')}".strip().encode() for name in names]
        requests = [request for asks in asked for request in requests_of(asks)]
        assert len(requests) == 7 * (len(FOUND) - 1)
        await at_once(running.data, requests)
        await running.until(lambda: not running.mock.connections.open)
        total = running.mock.stats()["requests"]
        assert total["in_flight"] == 0
        assert total["started"] == total["completed"] + total["abandoned"] >= len(requests)
        assert len(asyncio.all_tasks()) <= 3 + 2  # this one, the two servers' and their lifespans
    assert not caplog.records


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
