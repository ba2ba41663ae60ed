"""The logs: what ended, on which connection, of which run, and how often it was executed."""

import time
from typing import Any

import httpx

from support.mock_upstream import RunMock, both_loops
from upstream_mock.clock import UnixClock
from upstream_mock.correlation import IdempotencyLog
from upstream_mock.request_log import HEADS, LOOKED_AT, PAGE, PATH_BYTES, RequestLog

CLOCK = UnixClock(0)


def add(log: RequestLog, *, run: bytes = b"r", path: bytes = b"/work", method: str = "GET", key: bytes = b"") -> None:
    """One request that took its time."""
    log.add({"method": method, "raw_path": path}, (run, b"id", key), 7, 1, completed=True, executed=True)


def sequences(page: dict[str, Any]) -> list[int]:
    """The numbers of a page's rows."""
    return [row["sequence"] for row in page["requests"]]


@both_loops
async def test_the_logs_over_http(run_mock: RunMock) -> None:
    """Two requests on one connection and one whose client left: each row shows it, on the control port only."""
    began = time.time()
    async with run_mock(latency="constant(100ms)") as running:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.data}") as client:
            headers = {"x-sandbox-run": "a", "x-request-id": "one", "idempotency-key": "k"}
            await client.post("/work", headers=headers)
            await client.get("/get?x=1", headers={"x-sandbox-run": "b"})
        _, writer = await running.send(b"GET /work HTTP/1.1\r\nhost: mock\r\nx-sandbox-run: a\r\n\r\n")
        await running.until(lambda: running.mock.requests.total.in_flight == 1)
        writer.close()
        await running.until(lambda: not running.mock.connections.open)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.control}") as client:
            document = (await client.get("/-/requests")).json()
            only_b = (await client.get("/-/requests?run=b")).json()
            later = (await client.get("/-/requests?since=2")).json()
            connections = (await client.get("/-/connections")).json()
            executions = (await client.get("/-/executions")).json()
        status, _, _ = await running.ask("GET /-/requests")
        assert status == 404

    first, second, third = rows = document.pop("requests")
    assert document == {"kept": 10_000, "oldest": 1, "next": 3, "more": False}
    assert all(began - 1 < row.pop("started") < time.time() + 1 for row in rows)
    assert first.pop("duration_ms") >= 99
    assert min(second.pop("duration_ms"), third.pop("duration_ms")) >= 0
    assert first == {
        "sequence": 1,
        "run": "a",
        "request_id": "one",
        "idempotency_key": "k",
        "method": "POST",
        "path": "/work",
        "connection": 1,
        "execution": 1,
        "outcome": "completed",
        "faulted": False,
    }
    no_ids = {"request_id": None, "idempotency_key": None, "method": "GET", "execution": None, "faulted": False}
    assert second == {"sequence": 2, "run": "b", "path": "/get", "connection": 1, "outcome": "completed"} | no_ids
    assert third == {"sequence": 3, "run": "a", "path": "/work", "connection": 2, "outcome": "abandoned"} | no_ids
    assert sequences(only_b) == [2]
    assert sequences(later) == [3]
    assert executions["runs"]["a"] == {"ids": 1, "executions": 1, "times": {"1": 1}, "repeated": {}}

    kept, left = connections["connections"]
    assert (kept["id"], kept["requests"], kept["closed_by"], kept["tls"]) == (1, 2, "client", None)
    assert (left["id"], left["requests"], left["closed_by"]) == (2, 1, "client")
    assert kept["opened"] <= kept["first_byte"] <= kept["closed"] - 0.099
    assert kept["bytes_in"] > 300
    assert kept["bytes_out"] > 300
    assert left["bytes_out"] in (0, 1)  # of what has never had an answer, a FIN counts as one


async def test_an_open_connection_is_listed(run_mock: RunMock) -> None:
    """With what is known of it: no request, no first byte, not closed."""
    async with run_mock() as running:
        await running.send(b"")
        await running.until(lambda: running.mock.connections.accepted == 1)
        (row,) = running.mock.connections.page(0)["connections"]
        assert row["requests"] == 0
        assert row["first_byte"] is row["closed"] is row["closed_by"] is None


def test_the_newest_requests_are_kept() -> None:
    """Of 25 the last 10; the numbers go on, also over a reset."""
    log = RequestLog(10, CLOCK)
    for _ in range(25):
        add(log)
    page = log.page(None, 0)
    assert sequences(page) == list(range(16, 26))
    assert (page["oldest"], page["next"], page["more"]) == (16, 25, False)
    assert sequences(log.page(None, 23)) == [24, 25]
    assert sequences(log.page(None, 99)) == []
    log.reset()
    assert sequences(log.page(None, 0)) == []
    add(log)
    assert sequences(log.page(None, 0)) == [26]


def test_a_long_log_is_read_in_pages() -> None:
    """A reader that goes on from `next` misses nothing and reads nothing twice, of one run or of all."""
    log = RequestLog(3 * PAGE, CLOCK)
    for number in range(2 * PAGE + 500):
        add(log, run=b"even" if number % 2 == 0 else b"odd")
    for run, expected in ((None, range(1, 2 * PAGE + 501)), ("odd", range(2, 2 * PAGE + 501, 2))):
        read, since, more = [], 0, True
        while more:
            page = log.page(run, since)
            assert len(page["requests"]) <= PAGE
            read += sequences(page)
            since, more = page["next"], page["more"]
        assert read == list(expected)


def test_a_page_of_a_run_looks_at_so_many_requests() -> None:
    """The data port waits meanwhile: whoever asks for a run that is far on gets an empty page, and goes on."""
    log = RequestLog(LOOKED_AT + 10, CLOCK)
    for number in range(LOOKED_AT + 10):
        add(log, run=b"late" if number >= LOOKED_AT else b"")
    page = log.page("late", 0)
    assert (sequences(page), page["next"], page["more"]) == ([], LOOKED_AT, True)
    page = log.page("late", LOOKED_AT)
    assert (len(sequences(page)), page["more"]) == (10, False)


def test_long_and_many_words_do_not_fill_the_memory() -> None:
    """Of a long path the beginning is kept, and of many paths not all are remembered for good."""
    log = RequestLog(10, CLOCK)
    add(log, path=b"/" + b"a" * 60_000)
    for number in range(2 * HEADS):
        add(log, path=b"/%d" % number)
    assert len(log._heads) == HEADS
    assert log.page(None, 0)["requests"][-1]["path"] == f"/{2 * HEADS - 1}"
    log = RequestLog(10, CLOCK)
    add(log, path=b"/" + b"a" * 60_000)
    assert len(log.page(None, 0)["requests"][0]["path"]) == PATH_BYTES


def test_executions_are_counted_for_what_must_not_be_repeated() -> None:
    """By run and key; a GET may come as often as it likes, and what was refused was not executed."""
    log = RequestLog(10, CLOCK)
    for run, times in ((b"a", 3), (b"b", 1)):
        for _ in range(times):
            add(log, run=run, method="POST", key=b"k")
    for method in ("GET", "PUT", "DELETE"):
        add(log, method=method, key=b"k")
    log.add({"method": "POST", "raw_path": b"/"}, (b"a", b"", b"k"), 1, 1, completed=True, executed=False)
    assert log.executions.as_json()["runs"] == {
        "a": {"ids": 1, "executions": 3, "times": {"3": 1}, "repeated": {"k": 3}},
        "b": {"ids": 1, "executions": 1, "times": {"1": 1}, "repeated": {}},
    }
    found = [row["execution"] for row in log.page(None, 0)["requests"]]
    assert found == [1, 2, 3, 1, None, None, None, None]


def test_the_newest_ids_are_remembered() -> None:
    """A bounded number, and it is said how many were forgotten."""
    executions = IdempotencyLog(5)
    for number in range(8):
        assert executions.add((b"r", b"%d" % number, b"")) == 1
    assert executions.add((b"r", b"7", b"")) == 2
    assert executions.add((b"r", b"", b"")) == 0
    document = executions.as_json()
    assert document["forgotten"] == 3
    assert document["runs"]["r"] == {"ids": 5, "executions": 6, "times": {"1": 4, "2": 1}, "repeated": {"7": 2}}


@both_loops
async def test_a_retry_shows_as_a_second_execution(run_mock: RunMock) -> None:
    """The client gave up in the middle of the work and sent the same POST again: executed twice, answered once.

    One that gave up while it waited in line was not executed at all.
    """
    post = b"POST /work HTTP/1.1\r\nhost: mock\r\nx-request-id: %s\r\ncontent-length: 0\r\n\r\n"
    async with run_mock(latency="constant(200ms)", capacity=1) as running:
        capacity = running.mock.capacity
        _, first = await running.send(post % b"twice")
        await running.until(lambda: capacity.busy == 1)
        _, second = await running.send(post % b"never")
        await running.until(lambda: capacity.waiting == 1)
        second.close()
        await running.until(lambda: capacity.waiting == 0)
        first.close()
        await running.until(lambda: capacity.busy == 0)
        reader, _ = await running.send(post % b"twice")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")
        await running.until(lambda: running.mock.requests.total.in_flight == 0)
        runs = running.log.executions.as_json()["runs"]
        assert runs == {"": {"ids": 1, "executions": 2, "times": {"2": 1}, "repeated": {"twice": 2}}}


async def test_no_log(run_mock: RunMock) -> None:
    """UPSTREAM_LOG_ENTRIES=0: nothing is remembered, the pages are there, and open connections are still listed."""
    async with run_mock(log_entries=0, latency="constant(0ms)") as running:
        await running.ask("POST /work")
        await running.until(lambda: not running.mock.connections.open)
        await running.send(b"")
        await running.until(lambda: running.mock.connections.accepted == 2)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.control}") as client:
            assert (await client.get("/-/requests")).json()["requests"] == []
            assert (await client.get("/-/executions")).json()["runs"] == {}
            assert [row["id"] for row in (await client.get("/-/connections")).json()["connections"]] == [2]
            assert (await client.get("/-/stats")).json()["requests"]["completed"] == 1
            assert (await client.get("/-/requests?since=-1")).status_code == 422
