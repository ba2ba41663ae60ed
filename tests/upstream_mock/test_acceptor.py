"""Accepting: at a limited rate, out of a short backlog, and for so many requests only."""

import asyncio
import socket
import time
from itertools import pairwise

import pytest

from support.mock_upstream import RunMock, Say, both_loops
from upstream_mock.acceptor import CATCH_UP_SECONDS, Pacer

REQUEST = b"GET /work HTTP/1.1\r\nhost: mock\r\nx-sandbox-run: r\r\n\r\n"


async def answer(reader: asyncio.StreamReader) -> bytes:
    """One answer's head; its body is read too."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(length)
    return head


def test_turns_are_evenly_spaced() -> None:
    """Ten a second: the first at once, each next one 100 ms after the one before, however many come at once."""
    now = 50.0
    turns = Pacer(10, lambda: now)
    assert [turns.take() for _ in range(4)] == pytest.approx([0, 0.1, 0.2, 0.3])
    now += 60
    assert [turns.take() for _ in range(3)] == pytest.approx([0, 0.1 - CATCH_UP_SECONDS, 0.2 - CATCH_UP_SECONDS])


def test_no_limit_is_no_wait() -> None:
    """A million turns at the same moment."""
    turns = Pacer(None, lambda: 1.0)
    assert {turns.take() for _ in range(1000)} == {0.0}


@pytest.mark.timing
@both_loops
async def test_connections_are_accepted_at_the_rate(run_mock: RunMock, say: Say) -> None:
    """All ten are connected at once, by the kernel; the mock takes and answers one every 50 ms."""
    async with run_mock(latency="constant(0ms)", accept_per_second=20) as running:
        loop = asyncio.get_running_loop()
        began = loop.time()
        pairs = await asyncio.gather(*(running.send(REQUEST) for _ in range(10)))
        connected = loop.time() - began
        for reader, _ in pairs:
            assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")
        took = loop.time() - began
        assert took >= 9 * 0.05 - 0.02
        assert connected < took / 2
        opened = sorted(row["opened"] for row in running.mock.connections.page(0)["connections"])
        gaps = [after - before for before, after in pairwise(opened)]
        assert sum(gaps) >= 9 * 0.05 - 0.02
        assert sorted(gaps)[4] >= 0.045
        say(f"10 connections connected in {connected * 1e3:.0f} ms, accepted in {sum(gaps) * 1e3:.0f} ms")


@both_loops
async def test_answers_of_a_kept_connection_are_quick_here_too(run_mock: RunMock) -> None:
    """TCP_NODELAY is set: without it an answer takes 40 ms, after the first few."""
    async with run_mock(latency="constant(0ms)", accept_per_second=20) as running:
        reader, writer = await running.send(b"")
        took = []
        for _ in range(30):
            began = time.perf_counter()
            writer.write(REQUEST)
            await answer(reader)
            took.append(time.perf_counter() - began)
        assert min(took[10:]) < 0.020


@pytest.mark.slow
async def test_a_full_backlog_makes_connecting_take_seconds(run_mock: RunMock, say: Say) -> None:
    """Backlog 1 holds two; the SYNs of the others are dropped until there is room: connect() takes seconds."""
    async with run_mock(latency="constant(0ms)", accept_per_second=0.8, backlog=1) as running:
        loop = asyncio.get_running_loop()
        reader, _ = await running.send(REQUEST)  # accepted at once
        await answer(reader)
        began = loop.time()

        async def connect() -> float:
            await running.send(b"")
            return loop.time() - began

        took = sorted(await asyncio.gather(*(connect() for _ in range(4))))
        # A dropped SYN is sent again after 1 s at the earliest (Linux's initial RTO), however busy the machine is.
        assert took[2] >= 0.99
        assert took[1] < took[2] / 2
        await running.until(lambda: running.mock.connections.accepted == 5)
        say(f"connect() with a full backlog: {', '.join(f'{each:.2f}' for each in took)} s")


@both_loops
async def test_a_client_that_left_the_backlog_costs_a_turn_and_no_more(run_mock: RunMock) -> None:
    """It was connected, so it is accepted, found gone, and counted."""
    async with run_mock(latency="constant(0ms)", accept_per_second=20) as running:
        for _ in range(5):
            socket.create_connection(("127.0.0.1", running.data)).close()
        status, _, _ = await running.ask("GET /work")
        assert status == 200
        await running.until(lambda: not running.mock.connections.open)
        stats = running.mock.connections.as_json()
        assert (stats["accepted"], stats["without_request"]) == (6, 5)


@both_loops
async def test_the_end_does_not_wait_for_the_next_turn(run_mock: RunMock) -> None:
    """With a turn every ten seconds and two in the backlog, the mock ends at once."""
    loop = asyncio.get_running_loop()
    async with run_mock(latency="constant(0ms)", accept_per_second=0.1) as running:
        for _ in range(3):
            await running.send(b"")
        await running.until(lambda: running.mock.connections.accepted == 1)
        began = loop.time()
    assert loop.time() - began < 3


@both_loops
async def test_so_many_requests_and_then_it_hangs_up(run_mock: RunMock) -> None:
    """The third of three has `Connection: close` and FIN follows; the server did it, and a new one begins anew."""
    async with run_mock(latency="constant(1ms)", max_requests_per_connection=3) as running:
        for _ in range(2):
            reader, writer = await running.send(REQUEST)
            for last in (False, False, True):
                head = await answer(reader)
                assert (b"\r\nconnection: close\r\n" in head.lower()) == last
                if not last:
                    writer.write(REQUEST)
            assert await reader.read() == b""
        await running.until(lambda: not running.mock.connections.open)
        stats = running.mock.connections.as_json()
        assert stats["closed_by"] == {"client": 0, "client-reset": 0, "server": 2, "server-idle": 0}
        assert stats["requests_per_connection"] == {"mean": 3.0, "max": 3}


@both_loops
async def test_what_was_pipelined_behind_the_last_is_not_begun(run_mock: RunMock) -> None:
    """Five in one packet, two allowed: two answers and FIN, and the others were never started."""
    async with run_mock(latency="constant(1ms)", max_requests_per_connection=2) as running:
        reader, _ = await running.send(REQUEST * 5)
        assert (await reader.read()).count(b"HTTP/1.1 200 ") == 2
        await running.until(lambda: not running.mock.connections.open)
        assert running.mock.stats()["requests"] == {
            "started": 2,
            "completed": 2,
            "abandoned": 0,
            "faulted": 0,
            "in_flight": 0,
        }
