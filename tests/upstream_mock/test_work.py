"""/work: what the environment describes, over real sockets."""

import asyncio
import time

import httpx
import pytest

from support.mock_upstream import RunMock, both_loops
from upstream_mock.latency.distribution import LatencySampler
from upstream_mock.latency.parse import parse_latency


def timing(header: str) -> dict[str, float]:
    """The parts of a Server-Timing header in milliseconds."""
    return {name: float(value) for name, _, value in (part.strip().partition(";dur=") for part in header.split(","))}


@pytest.mark.parametrize("length", [0, 5, 120, 65_536, 65_537, 400_000])
async def test_an_answer(run_mock: RunMock, length: int) -> None:
    """200, the payload with its length, one Date, no Server, and what the mock did."""
    async with run_mock(payload_bytes=length, latency="constant(20ms)") as running:
        began = time.perf_counter()
        status, headers, body = await running.ask("GET /work")
        took_ms = (time.perf_counter() - began) * 1e3
        assert status == 200
        assert int(headers["content-length"]) == len(body) == length
        assert "date" in headers
        assert "server" not in headers
        did = timing(headers["server-timing"])
        assert did["work"] == 20.0
        assert did["late"] >= 0
        assert took_ms >= did["queue"] + did["work"] + did["late"] >= 20.0


async def test_every_method_works(run_mock: RunMock) -> None:
    """/work does not mind; a body is read, and HEAD gets none."""
    async with run_mock(latency="constant(0ms)") as running:
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
            status, headers, body = await running.ask(f"{method} /work", body=b"x" * 300_000)
            assert status == 200
            assert headers["content-length"] == "120"
            assert len(body) == (0 if method == "HEAD" else 120)


async def test_latencies_are_the_seeds(run_mock: RunMock) -> None:
    """One after the other or all at once, the requests get the seed's sequence in order of arrival."""
    text, seed, count = "uniform(0ms, 30ms)", 7, 20

    expected = LatencySampler(parse_latency(text), seed)
    wanted = [expected.draw() * 1e3 for _ in range(count)]
    async with run_mock(latency=text, seed=seed) as running:
        answers = [await running.ask("GET /work") for _ in range(count // 2)]
        answers += await asyncio.gather(*(running.ask("GET /work") for _ in range(count // 2)))
        drawn = [timing(headers["server-timing"])["work"] for _, headers, _ in answers]
        assert drawn[: count // 2] == pytest.approx(wanted[: count // 2], abs=0.001)
        assert sorted(drawn) == pytest.approx(sorted(wanted), abs=0.001)


@pytest.mark.slow
async def test_errors_come_at_their_rate_and_leave_the_latencies_alone(run_mock: RunMock) -> None:
    """500 for such a share of the requests, the same requests for the same seed, and the same latencies drawn."""

    async def seen(rate: float) -> tuple[list[int], list[float]]:
        async with run_mock(latency="uniform(0ms, 100us)", error_rate=rate) as running:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.data}") as client:
                answers = [await client.get("/work") for _ in range(150)]
            return [a.status_code for a in answers], [timing(a.headers["server-timing"])["work"] for a in answers]

    never, latencies = await seen(0.0)
    some = await seen(0.3)
    always = await seen(1.0)
    assert some == await seen(0.3)
    assert latencies == some[1] == always[1]
    assert set(never) == {200}
    assert set(some[0]) == {200, 500}
    assert set(always[0]) == {500}
    assert abs(some[0].count(500) / 150 - 0.3) <= 4 * (0.3 * 0.7 / 150) ** 0.5


async def test_capacity_makes_a_queue(run_mock: RunMock) -> None:
    """6 requests of 30 ms at 2 servers take 3 rounds, and Server-Timing has how long each waited."""
    async with run_mock(latency="constant(30ms)", capacity=2) as running:
        tasks = [asyncio.create_task(running.ask("GET /work")) for _ in range(6)]
        await running.until(lambda: running.mock.capacity.waiting == 4)
        capacity = running.mock.capacity
        assert (capacity.servers, capacity.busy, capacity.waiting, capacity.waits) == (2, 2, 4, 2)
        queued = sorted([timing((await task)[1]["server-timing"])["queue"] for task in tasks])
        waited_ms = running.mock.stats()["capacity"]["waited_ms"]
        assert waited_ms == {"count": 6, "sum": pytest.approx(sum(queued), abs=0.01)}
        # Rounds begin 30 ms apart; the requests came within part of one.
        assert max(queued[:2]) < 20
        assert min(queued[2:4]) > 15
        assert min(queued[4:]) > 45
        assert (capacity.busy, capacity.waiting) == (0, 0)


async def test_lateness_is_reported(run_mock: RunMock) -> None:
    """/-/stats has what the answers said: so many waits, their mean and their worst."""
    async with run_mock(latency="constant(5ms)") as running:
        answers = await asyncio.gather(*(running.ask("GET /work") for _ in range(40)))
        late = [timing(headers["server-timing"])["late"] for _, headers, _ in answers]
        stats = running.mock.stats()["lateness_ms"]
        assert stats["count"] == 40
        assert stats["mean"] == pytest.approx(sum(late) / 40, abs=0.001)
        assert stats["max"] == pytest.approx(max(late), abs=0.001)
        assert min(late) >= 0


@both_loops
async def test_answers_on_a_kept_connection_do_not_wait_for_acknowledgements(run_mock: RunMock) -> None:
    """Nagle's algorithm is off: with it, head and body as two writes cost 40 ms an answer, each after the first few."""
    async with run_mock(latency="constant(0ms)") as running:
        reader, writer = await running.send(b"")
        took = []
        for _ in range(30):
            began = time.perf_counter()
            writer.write(b"GET /work HTTP/1.1\r\nhost: mock\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(120)
            took.append(time.perf_counter() - began)
        assert min(took[10:]) < 0.020
