"""Faults in a mock that serves: schedules and runs, clients that leave, pipelines, pauses, and the end of the mock."""

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from support.eventually import eventually
from support.fault_client import Seen, connect, converse, read_answer, read_to_end
from support.mock_upstream import RunMock, Say, StartProcess, both_loops
from upstream_mock.latency.distribution import LatencySampler
from upstream_mock.latency.parse import parse_latency
from upstream_mock.settings import Settings
from upstream_mock.state import Mock

OnLoop = Callable[[Coroutine[object, object, None]], None]

GET = b"GET /work HTTP/1.1\r\nhost: mock\r\n\r\n"


async def statuses(port: int, count: int, path: str = "/work", run: str = "") -> list[int]:
    """So many requests one after the other."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={"x-sandbox-run": run}) as client:
        return [(await client.get(path)).status_code for _ in range(count)]


async def test_a_window_counts_from_the_newest_runs_first_request(run_mock: RunMock) -> None:
    """Each request whose beginning and end lie on one side of an edge has that side's answer, in both runs."""
    begins, ends = 0.2, 0.4
    async with run_mock(latency="constant(0ms)", fault="STATUS_503 from=200ms to=400ms") as running:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.data}") as client:
            for run in ("one", "two"):
                seen: set[int] = set()
                statuses: list[tuple[float, float, int]] = []
                give_up = time.monotonic() + 20
                while len(seen) < 3:
                    before = time.monotonic()
                    answer = await client.get("/work", headers={"x-sandbox-run": run})
                    assert running.mock.requests.run_began is not None
                    since = running.mock.requests.run_began
                    statuses.append((before - since, time.monotonic() - since, answer.status_code))
                    seen |= {part for part, edge in ((0, begins), (1, ends)) if statuses[-1][1] < edge}
                    seen |= {2} if statuses[-1][0] > ends else set()
                    assert time.monotonic() < give_up
                    await asyncio.sleep(0.01)
                for start, end, status in statuses:
                    if end < begins or start > ends:
                        assert status == 200
                    if start > begins and end < ends:
                        assert status == 503
        assert 503 in {status for _, _, status in statuses}
        assert running.mock.stats()["runs"].keys() == {"one", "two"}


def knock(port: int, request: bytes = GET) -> tuple[Seen, float]:
    """One request's answer, and when it was there."""
    with connect(port) as connection:
        connection.sendall(request)
        return read_answer(connection), time.monotonic()


async def test_first_every_path_and_order_live(run_mock: RunMock) -> None:
    """The first rule that applies wins, but every rule counts what is in its reach; a new run begins anew."""
    rules = "STATUS_503 first=2 path=/work; STATUS_500 every=3; STATUS_404 path=/get/*"
    async with run_mock(latency="constant(0ms)", fault=rules) as running:
        for run in ("one", "two"):
            assert await statuses(running.data, 6, run=run) == [503, 503, 500, 200, 200, 500]
            assert await statuses(running.data, 3, path="/get", run=run) == [200, 200, 500]
        assert running.mock.stats()["faults"] == {"STATUS_503": 4, "STATUS_500": 6}
        for run in running.mock.stats()["runs"].values():
            assert run == {"started": 9, "completed": 9, "abandoned": 0, "faulted": 0, "in_flight": 0}


@pytest.mark.slow
async def test_a_rate_affects_the_same_requests_of_every_run(run_mock: RunMock) -> None:
    """By the default rate, seeded; another seed affects others."""
    found = []
    for seed in (5, 5, 6):
        async with run_mock(latency="constant(0ms)", fault="STATUS_503", fault_rate=0.3, seed=seed) as running:
            found += [await statuses(running.data, 60, run=run) for run in ("one", "two")]
    assert len({tuple(each) for each in found[:4]}) == 1
    assert found[4] == found[5] != found[0]
    assert 5 < found[0].count(503) < 35


async def test_faults_do_not_shift_the_latencies(run_mock: RunMock) -> None:
    """A faulted request has its latency drawn too, and the next one's is the same as without faults."""
    drawn = LatencySampler(parse_latency("uniform(1ms, 5ms)"), 3)
    expected = [drawn.draw() * 1e3 for _ in range(20)]
    async with run_mock(latency="uniform(1ms, 5ms)", seed=3, fault="STATUS_503 every=2") as running:
        for number, latency in enumerate(expected, 1):
            status, headers, _ = await running.ask("GET /work")
            if number % 2:
                assert f"work;dur={latency:.3f}" in headers["server-timing"]
            else:
                assert status == 503


@both_loops
@pytest.mark.parametrize("leave", ["close", "reset"])
@pytest.mark.parametrize("asks", ["STALL_BEFORE_HEADERS", "STALL_IN_BODY", "SLICER", "EARLY_413 linger=3600s"])
async def test_no_stall_outlives_its_caller(run_mock: RunMock, leave: str, asks: str) -> None:
    """An hour's stall ends when the client closes or resets, in a fraction of a second, on both of our paths."""
    hour = "" if "=" in asks else " delay=3600s"
    async with run_mock(latency="constant(0ms)", fault=asks + hour) as running:
        for path in (b"/work", b"/anything"):
            request = b"POST %s HTTP/1.1\r\nhost: mock\r\ncontent-length: 2\r\n\r\nok" % path
            _, writer = await running.send(request)
            await running.until(lambda: sum(running.mock.faults.applied.values()) > 0)
            await asyncio.sleep(0.05)
            assert len(running.mock.connections.open) == 1
            began = time.monotonic()
            if leave == "reset":
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                writer.transport.abort()
            else:
                writer.close()
            await running.until(lambda: not running.mock.connections.open)
            await running.until(lambda: running.mock.requests.total.in_flight == 0)
            assert time.monotonic() - began < 5
            running.mock.faults.applied.clear()
        total = running.mock.stats()["requests"]
        assert total["started"] == total["completed"] + total["abandoned"] == 2
        assert total["faulted"] == 0


@both_loops
async def test_a_cut_ends_a_pipeline(run_mock: RunMock) -> None:
    """The request before it is answered, the one after it never began; each that began is counted once."""
    async with run_mock(latency="constant(5ms)", fault="EMPTY_RESPONSE every=2") as running:
        seen = await asyncio.to_thread(converse, running.data, GET * 4)
        assert seen.end == "FIN"
        assert seen.data.count(b"HTTP/1.1 200 OK") == 1
        await running.until(lambda: not running.mock.connections.open)
        assert running.mock.stats()["requests"] == {
            "started": 2,
            "completed": 1,
            "abandoned": 1,
            "faulted": 1,
            "in_flight": 0,
        }


@both_loops
@pytest.mark.slow
async def test_the_paused_listener(run_mock: RunMock, say: Say) -> None:
    """Paused: kept connections work, two connects are made and not answered, the third hangs; open: all is well."""
    rule = "STOP_ACCEPTING first=1 for=1500ms backlog=1"
    async with run_mock(latency="constant(0ms)", fault=rule) as running:

        def visit() -> tuple[Seen, Seen, list[Seen], Seen, float]:
            with connect(running.data) as kept, contextlib.ExitStack() as stack:
                kept.sendall(GET)
                paused_at = time.monotonic()
                first = read_answer(kept)
                queued = [stack.enter_context(connect(running.data, 0.3)) for _ in range(2)]
                for each in queued:
                    each.sendall(GET)
                silent = [read_to_end(each, 0.1) for each in queued]
                with pytest.raises(TimeoutError):
                    connect(running.data, 0.2)
                kept.sendall(GET)
                meanwhile = read_answer(kept)
                queued[0].settimeout(5)
                late = read_answer(queued[0])
                return first, meanwhile, silent, late, time.monotonic() - paused_at

        first, meanwhile, silent, late, seconds = await asyncio.to_thread(visit)
        assert b"200 OK" in first.head
        assert b"200 OK" in meanwhile.head
        assert silent == [Seen(b"", "open")] * 2
        assert b"200 OK" in late.head
        assert seconds >= 1.49  # loops round their timers to a millisecond or so
        assert b"200 OK" in (await asyncio.to_thread(converse, running.data, GET, 0.1)).head
        assert running.mock.stats()["faults"] == {"STOP_ACCEPTING": 1}
        say(f"paused for 1500 ms: what waited in the backlog was answered after {seconds * 1e3:.0f} ms")


@both_loops
@pytest.mark.slow
async def test_the_listener_is_paused_by_the_clock(run_mock: RunMock) -> None:
    """A rule with a window only waits for no request: paused from its beginning to its end, in every run."""
    async with run_mock(latency="constant(0ms)", fault="STOP_ACCEPTING from=200ms to=500ms") as running:
        await asyncio.sleep(0.5)  # the window after the mock's own start is over
        applied = running.mock.faults.applied
        for run in range(2):
            before = applied.get("STOP_ACCEPTING", 0)
            request = GET.replace(b"host", b"x-sandbox-run: run%d\r\nhost" % run)
            await asyncio.to_thread(knock, running.data, request)
            began = running.mock.requests.run_began
            assert began is not None
            await running.until(lambda before=before: applied.get("STOP_ACCEPTING", 0) > before)  # type: ignore[misc]
            assert time.monotonic() - began >= 0.19
            _, answered = await asyncio.to_thread(knock, running.data, request)  # of the same run: another has its own
            assert answered - began >= 0.49
            assert applied == {"STOP_ACCEPTING": before + 1}


async def test_a_window_that_opened_before_the_mock_served_counts_once() -> None:
    """A slow start is no second pause."""
    mock = Mock(Settings(fault="STOP_ACCEPTING from=10ms to=60s"))
    await asyncio.sleep(0.02)
    async with mock.running():
        await eventually(lambda: bool(mock.faults.applied))
        await asyncio.sleep(0.02)
        assert mock.faults.applied == {"STOP_ACCEPTING": 1}


@pytest.mark.slow
def test_stalls_do_not_hold_the_end(start_process: StartProcess) -> None:
    """SIGTERM: a request stalled for an hour gets its answer at once, whole, and the mock ends with 0 and no output."""
    mock = start_process(
        UPSTREAM_LATENCY="constant(1ms)",
        UPSTREAM_FAULT="STALL_BEFORE_HEADERS delay=3600s path=/work; STALL_IN_BODY delay=3600s path=/bytes",
    )
    mock.line()
    with connect(mock.data, 10) as work, connect(mock.data, 10) as body:
        work.sendall(GET)
        body.sendall(GET.replace(b"/work", b"/bytes/200000"))
        stats = f"http://127.0.0.1:{mock.control}/-/stats"
        give_up = time.monotonic() + 5
        while httpx.get(stats).json()["requests"]["in_flight"] < 2:
            assert time.monotonic() < give_up
        began = time.monotonic()
        mock.process.send_signal(signal.SIGTERM)
        assert len(read_answer(work).body) == 120
        assert len(read_answer(body).body) == 200_000
        assert mock.end() == (0, "", "")
        assert time.monotonic() - began < 10


@pytest.mark.slow
def test_a_paused_listener_does_not_delay_the_end(start_process: StartProcess) -> None:
    """SIGTERM with a connection in the backlog: the mock ends with 0, and it is reset."""
    mock = start_process(UPSTREAM_FAULT="STOP_ACCEPTING for=3600s")
    mock.line()
    assert converse(mock.data, GET, 0.3).head.startswith(b"HTTP/1.1 200 OK")
    with connect(mock.data) as waiting:
        waiting.sendall(GET)
        assert read_to_end(waiting, 0.2) == Seen(b"", "open")
        assert mock.end(signal.SIGTERM) == (0, "", "")
        assert read_to_end(waiting, 5) == Seen(b"", "RST")


@both_loops
async def test_pausing_the_listener_breaks_no_connection(run_mock: RunMock) -> None:
    """Paused and resumed a hundred times while connections come from outside: each that comes is answered."""
    async with run_mock(latency="constant(0ms)", fault="STOP_ACCEPTING every=10 for=1ms") as running:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(16) as threads:
            visits = [loop.run_in_executor(threads, knock, running.data) for _ in range(1000)]
            seen = await asyncio.gather(*visits)
        assert all(answer.head.startswith(b"HTTP/1.1 200 OK") for answer, _ in seen)
        assert running.mock.faults.applied == {"STOP_ACCEPTING": 100}
        assert running.mock.connections.accepted == 1000
