"""OutcomeCounts: every request and connection once, whoever hangs up and when."""

import asyncio
import random
import socket
import struct
from collections.abc import Callable
from typing import get_args

import pytest
import uvicorn
from uvicorn.server import ServerState

from support.mock_upstream import RunMock, both_loops
from upstream_mock.app import create_app
from upstream_mock.capacity import Capacity
from upstream_mock.connection_log import ClosedBy, ConnectionLog, ConnectionRecord
from upstream_mock.correlation import correlation_of
from upstream_mock.counts import RUNS_KEPT, RequestCounts
from upstream_mock.http1 import Http1Protocol
from upstream_mock.settings import Settings
from upstream_mock.state import Mock

REQUEST = b"GET %s HTTP/1.1\r\nhost: mock\r\nx-sandbox-run: %s\r\n\r\n"


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    """One answer to the end of its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(length)
    return head


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def counts(started: int, completed: int, abandoned: int, in_flight: int = 0) -> dict[str, int]:
    """As /-/stats has them."""
    ended = {"completed": completed, "abandoned": abandoned, "faulted": 0}
    return {"started": started, **ended, "in_flight": in_flight}


@both_loops
@pytest.mark.slow
async def test_200_clients_at_once_some_of_which_leave(run_mock: RunMock) -> None:
    """200 concurrent requests of two runs, 50 hang up and 30 reset while they wait: exact to the last one."""
    draw = random.Random(4)
    leaves = ["close"] * 50 + ["reset"] * 30 + ["stay"] * 120
    draw.shuffle(leaves)
    async with run_mock(latency="constant(300ms)") as running:

        async def one(index: int, leave: str) -> None:
            # those that leave would not be answered before the last one has come, however long that takes
            path = b"/work" if leave == "stay" else b"/work?latency=constant(60s)"
            reader, writer = await running.send(REQUEST % (path, b"even" if index % 2 == 0 else b"odd"))
            if leave == "stay":
                assert (await read_answer(reader)).startswith(b"HTTP/1.1 200 ")
                writer.close()
                return
            await running.until(lambda: total.started == 200)
            if leave == "reset":
                reset(writer)
            else:
                writer.close()

        total = running.mock.requests.total
        await asyncio.gather(*(one(index, leave) for index, leave in enumerate(leaves)))
        await running.until(lambda: not running.mock.connections.open)
        stats = running.mock.stats()
        assert stats["requests"] == counts(200, 120, 80)
        for name, rest in (("even", 0), ("odd", 1)):
            stayed = leaves[rest::2].count("stay")
            assert stats["runs"][name] == counts(100, stayed, 100 - stayed)
        assert stats["connections"] == {
            "accepted": 200,
            "open": 0,
            "closed": 200,
            "closed_by": {"client": 170, "client-reset": 30, "server": 0, "server-idle": 0},
            "without_request": 0,
            "open_without_request": 0,
            "requests_per_connection": {"mean": 1.0, "max": 1},
        }
        # Only waits with a client came to their end.
        assert stats["lateness_ms"]["count"] == 120


async def test_a_client_that_leaves_frees_its_place(run_mock: RunMock) -> None:
    """With one server and a latency of a minute, each that closes lets the next one in at once."""
    async with run_mock(latency="constant(60s)", capacity=1) as running:
        capacity = running.mock.capacity
        writers = []
        for index in range(4):
            _, writer = await running.send(REQUEST % (b"/work", b"r"))
            writers.append(writer)
            await running.until(is_waiting(capacity, index))
        writers[2].close()
        await running.until(lambda: capacity.waiting == 2)
        for left in (1, 0):
            writers[1 - left].close()
            await running.until(is_waiting(capacity, left))
            assert capacity.busy == 1
        writers[3].close()
        await running.until(lambda: capacity.busy == 0)
        assert running.mock.stats()["requests"] == counts(4, 0, 4)


@both_loops
async def test_leaving_during_a_long_body_is_abandoned(run_mock: RunMock) -> None:
    """Headers and some bytes came, then the client reset: not completed."""
    async with run_mock(latency="constant(0ms)", payload_bytes=50_000_000) as running:
        reader, writer = await running.send(REQUEST % (b"/work", b"r"))
        await reader.readexactly(100_000)
        reset(writer)
        await running.until(lambda: running.mock.requests.total.in_flight == 0)
        assert running.mock.stats()["runs"] == {"r": counts(1, 0, 1)}


async def test_leaving_during_an_upload_is_abandoned(run_mock: RunMock) -> None:
    """Half of a body, then nothing."""
    async with run_mock(latency="constant(0ms)") as running:
        for path in (b"/work", b"/anything"):
            _, writer = await running.send(b"POST %s HTTP/1.1\r\nhost: mock\r\ncontent-length: 9\r\n\r\nhalf" % path)
            await running.until(lambda: running.mock.requests.total.in_flight == 1)
            writer.close()
            await running.until(lambda: running.mock.requests.total.in_flight == 0)
        assert running.mock.stats()["requests"] == counts(2, 0, 2)


async def test_requests_on_one_connection(run_mock: RunMock) -> None:
    """Kept connections carry many, unused ones none; both are counted."""
    async with run_mock(latency="constant(0ms)") as running:
        for requests in (5, 1, 0):
            reader, writer = await running.send(b"")
            for _ in range(requests):
                writer.write(REQUEST % (b"/work", b"r"))
                await read_answer(reader)
            writer.close()
        await running.until(lambda: running.mock.connections.accepted == 3 and not running.mock.connections.open)
        log = running.mock.stats()["connections"]
        assert log["requests_per_connection"] == {"mean": 3.0, "max": 5}
        assert (log["without_request"], log["open_without_request"]) == (1, 0)


@both_loops
async def test_pipelined_requests_are_answered_and_counted_in_order(
    run_mock: RunMock, caplog: pytest.LogCaptureFixture
) -> None:
    """Three in one packet: each once; a client that leaves after the first abandons the one that runs."""
    async with run_mock(latency="constant(20ms)") as running:
        reader, writer = await running.send(REQUEST % (b"/work", b"p") * 3)
        for _ in range(3):
            await read_answer(reader)
        writer.close()
        reader, writer = await running.send(REQUEST % (b"/work", b"q") * 3)
        await read_answer(reader)
        reset(writer)
        await running.until(lambda: not running.mock.connections.open)
        runs = running.mock.stats()["runs"]
        assert runs == {"p": counts(3, 3, 0), "q": counts(2, 1, 1)}
    assert not caplog.records  # uvicorn did not take the end of the work for a broken app


@both_loops
async def test_what_is_not_http_is_answered_in_its_turn(run_mock: RunMock) -> None:
    """Garbage behind a request or beside its answer: the answer is whole, then 400; and each is counted."""
    async with run_mock(latency="constant(50ms)") as running:
        for pause in (0.0, 0.02):
            reader, writer = await running.send(REQUEST % (b"/work?bytes=200&chunks=2&chunk_gap_ms=50", b"g"))
            await asyncio.sleep(pause)
            writer.write(b"excess\0\r\n")
            answers = await reader.read()
            writer.close()
            first, second = answers.split(b"HTTP/1.1 ")[1:]
            assert (first[:3], second[:3]) == (b"200", b"400")
            assert len(first.partition(b"\r\n\r\n")[2]) == 200
            assert b"\r\ndate: " in first
            assert b"\r\ndate: " in second
        await running.until(lambda: not running.mock.connections.open)
        stats = running.mock.stats()
        assert stats["runs"] == {"g": counts(2, 2, 0)}
        assert stats["connections"]["closed_by"]["server"] == 2


@both_loops
async def test_trailers_are_no_options(run_mock: RunMock) -> None:
    """They came after the head, in one packet with it."""
    async with run_mock(latency="constant(0ms)") as running:
        head = b"POST /anything HTTP/1.1\r\nhost: mock\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
        reader, writer = await running.send(head + b"0\r\nx-sandbox-run: t\r\nauthorization: x\r\n\r\n")
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"uthorization" not in answer
        assert "t" not in running.mock.stats()["runs"]


@both_loops
async def test_the_server_closes_what_is_idle(run_mock: RunMock) -> None:
    """After UPSTREAM_KEEPALIVE_SECONDS and not before; `connection: close` is the server's doing too."""
    async with run_mock(latency="constant(0ms)", keepalive_seconds=0.1) as running:
        loop = asyncio.get_running_loop()
        reader, writer = await running.send(REQUEST % (b"/work", b"r"))
        await read_answer(reader)
        idle_since = loop.time()
        assert await reader.read() == b""
        assert loop.time() - idle_since >= 0.095  # loops round their timers to a millisecond or so
        writer.close()
        await running.ask("GET /work")
        await running.until(lambda: not running.mock.connections.open)
        by = running.mock.stats()["connections"]["closed_by"]
        assert by == {"client": 0, "client-reset": 0, "server": 1, "server-idle": 1}


async def test_reset_keeps_what_is_open_and_in_flight(run_mock: RunMock) -> None:
    """Everything else is zero, and differences add up afterwards."""
    async with run_mock(latency="constant(60s)") as running:
        await running.ask("GET /get")
        _, writer = await running.send(REQUEST % (b"/work", b"still"))
        await running.until(lambda: running.mock.requests.total.in_flight == 1)
        running.mock.reset()
        stats = running.mock.stats()
        assert stats["requests"] == counts(0, 0, 0, 1)
        assert stats["runs"] == {"still": counts(0, 0, 0, 1)}
        assert (stats["connections"]["accepted"], stats["connections"]["open"]) == (0, 1)
        writer.close()
        await running.until(lambda: not running.mock.connections.open)
        stats = running.mock.stats()
        assert stats["requests"] == counts(0, 0, 1)
        assert stats["connections"]["closed_by"]["client"] == 1
        assert stats["connections"]["without_request"] == 0
        running.mock.reset()
        assert running.mock.stats()["runs"] == {}


def test_the_newest_runs_are_kept() -> None:
    """64 of them; a forgotten run's last request does no harm."""
    requests = RequestCounts()
    first = requests.begin(b"0")
    for index in range(1, RUNS_KEPT + 10):
        requests.end(requests.begin(b"%d" % index), completed=True)
    requests.end(first, completed=True)
    assert list(requests.runs) == [b"%d" % index for index in range(10, RUNS_KEPT + 10)]
    assert requests.total.completed == RUNS_KEPT + 10


def test_a_long_run_id_is_cut() -> None:
    """A client cannot fill the memory with headers."""
    assert correlation_of([(b"x-sandbox-run", b"a" * 60_000)]) == (b"a" * 100, b"", b"")


def is_waiting(capacity: Capacity, number: int) -> Callable[[], bool]:
    return lambda: capacity.waiting == number


def test_the_ledger_balances() -> None:
    """accepted = open + closed after any history."""
    log, draw = ConnectionLog(), random.Random(2)
    open_entries: list[ConnectionRecord] = []
    sides: tuple[ClosedBy, ...] = get_args(ClosedBy)
    for _ in range(1000):
        if open_entries and draw.random() < 0.5:
            log.closed(open_entries.pop(), draw.choice(sides))
        else:
            open_entries.append(log.opened())
        stats = log.as_json()
        assert stats["accepted"] == stats["open"] + stats["closed"]
        assert stats["closed"] == stats["without_request"]


async def test_an_answer_after_the_clients_end_of_file_is_not_completed() -> None:
    """Between the client's FIN and the loss of the connection, which is a turn of the loop, nothing reaches it."""
    mock = Mock(Settings(latency="constant(0ms)"))
    config = uvicorn.Config(create_app(mock=mock), ws="none", interface="asgi3", log_config=None)
    connection = Http1Protocol(config=config, server_state=ServerState(), app_state={}, mock=mock)
    connection.connection_made(DeafTransport())
    connection.data_received(REQUEST % (b"/work", b"r"))
    connection.eof_received()
    await asyncio.sleep(0.01)
    connection.connection_lost(None)
    assert mock.stats()["requests"] == counts(1, 0, 1)
    assert mock.stats()["connections"]["closed_by"]["client"] == 1


class DeafTransport(asyncio.Transport):
    """Takes everything and sends nothing."""

    def write(self, data: object) -> None:
        """Nowhere."""

    def is_closing(self) -> bool:
        """Since the client's end of file."""
        return True

    def close(self) -> None:
        """It is."""
