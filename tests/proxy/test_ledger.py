import asyncio
import json
import re
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from poolwatch import ledger_reader
from poolwatch.counters import Cell, Counters
from poolwatch.histogram import BOUNDS_MS
from poolwatch.ledger import Ledger
from poolwatch.monitor import Monitor
from poolwatch.phases import UNKNOWN, Phase, PhaseTimer, reported_ns, server_timing
from proxy.errors import CODES
from support.raw_http import Exchange, get, raw_upstream, roundtrip, split
from support.servers import RunningProxy, free_port, part, running_proxy

TIMING = re.compile(rb"([a-z_]+);dur=([0-9]+\.[0-9]{3})")


async def mixed(exchange: Exchange) -> None:
    """An upstream of all sorts: it says what it took, closes now and then, and drips when it is asked to."""
    await asyncio.sleep(0.004)
    timing = b"Server-Timing: queue;dur=1.000, work;dur=2.500, late;dur=0.250\r\n"
    if b"drip" in exchange.request_line:
        await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
        await asyncio.sleep(0.04)
        await exchange.send(b"0\r\n\r\n")
    elif b"close" in exchange.request_line:
        await exchange.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + timing + b"Content-Length: 2\r\n\r\nok")
        exchange.writer.close()
    else:
        await exchange.send(b"HTTP/1.1 200 OK\r\n" + timing + b"Content-Length: 2\r\n\r\nok")


def request(number: int) -> bytes:
    """One of five kinds of requests, with its number as its id."""
    line = f"X-Request-Id: {number}"
    match number % 5:
        case 0:
            return get("/drip", line)
        case 1:
            return get("/close", line)
        case 2:
            return get("/post", line, "Content-Length: 3", method="POST") + b"abc"
        case _:
            return get("/", line, "X-Sandbox-Run: 7-run")


async def entries_of(proxy: RunningProxy, query: str = "?limit=10000") -> list[dict[str, Any]]:
    page = json.loads(split(await roundtrip(proxy.port, get("/-/ledger" + query)))[2])
    found: list[dict[str, Any]] = page["entries"]
    return found


def adds_up(entry: dict[str, Any]) -> bool:
    known: float = sum(spent for spent in entry["phases_ms"].values() if spent is not None)
    total: float = entry["total_ms"]
    return abs(known - total) <= max(0.02 * total, 0.2)


async def load(proxy: RunningProxy, count: int) -> dict[str, tuple[float, bytes]]:
    """Send `count` requests, 24 at a time, and return milliseconds and the raw answer by request id."""
    free = asyncio.Semaphore(24)

    async def one(number: int) -> tuple[float, bytes]:
        async with free:
            began = time.perf_counter()
            answer = await roundtrip(proxy.port, request(number))
            return (time.perf_counter() - began) * 1000, answer

    answers = await asyncio.gather(*(one(number) for number in range(count)))
    return {str(number): answer for number, answer in enumerate(answers)}


@pytest.mark.parametrize(
    ("client", "queue", "count"),
    [("httpx", "client", 300), ("httpx2", "gate", 150), ("aiohttp", "client", 150), ("pyreqwest", "gate", 150)],
)
@pytest.mark.slow
async def test_the_phases_add_up_to_the_time_in_the_proxy(client: str, queue: str, count: int) -> None:
    """Fresh, kept, waiting, with bodies that drip: every request sums up, with every client."""

    settings: dict[str, Any] = {"max_connections": 4, "client": client, "queue": queue}
    async with raw_upstream(mixed) as upstream, running_proxy(upstream.url, **settings) as proxy:
        answers = await load(proxy, count)
        entries = await entries_of(proxy)
        pool = await proxy.pool()
    assert len(entries) == count
    assert {entry["request_id"] for entry in entries} == set(answers)
    assert [entry for entry in entries if not adds_up(entry)] == []
    for entry in entries:
        assert entry["total_ms"] <= answers[entry["request_id"]][0]
        assert entry["outcome"] == "answered"
        phases = entry["phases_ms"]
        if phases["upstream"] is not None and phases["network"] is not None:
            assert (phases["upstream_queue"], phases["upstream"]) == (pytest.approx(1.0), pytest.approx(2.75))
    assert median(entry["phases_ms"]["body"] for entry in entries if entry["path"] == "/drip") >= 20
    waits = sum(entry["phases_ms"]["pool_wait"] > 4 for entry in entries)
    assert waits > count / 3
    assert {entry["kept"] for entry in entries} == ({True, False} if client != "pyreqwest" else {False})
    if client.startswith("httpx"):
        for entry in entries:
            assert entry["phases_ms"]["other"] == 0
            assert (entry["phases_ms"]["connect"] > 0) == (not entry["kept"])
    if client == "pyreqwest":
        assert all(entry["phases_ms"]["connect"] is None for entry in entries)
    histograms_equal(pool["phases_ms"], entries)


def histograms_equal(phases: dict[str, Any], entries: list[dict[str, Any]]) -> None:
    """Each phase's histogram counts what the ring holds, bucket by bucket."""
    assert set(phases) == {*entries[0]["phases_ms"], "total"}
    for name, told in phases.items():
        spent = [entry["total_ms"] if name == "total" else entry["phases_ms"][name] for entry in entries]
        known = [each for each in spent if each is not None]
        assert told["count"] == len(known)
        assert told["sum"] == pytest.approx(sum(known))
        for bound in BOUNDS_MS[:-1:100]:
            counted = sum(count for upper, count in told["histogram"].items() if float(upper) <= bound)
            assert counted == sum(round(each * 1e6) < round(bound * 1e6) for each in known), (name, bound)


async def test_server_timing_tells_what_is_known_when_the_head_goes_out() -> None:
    """It comes after the upstream's own, parses, and holds the ledger's figures; there the wait is still one."""

    async with raw_upstream(mixed) as upstream, running_proxy(upstream.url) as proxy:
        answer = await roundtrip(proxy.port, get("/"))
        (entry,) = await entries_of(proxy)
    upstreams, own = [value for name, value in split(answer)[1] if name == b"server-timing"]
    assert upstreams == b"queue;dur=1.000, work;dur=2.500, late;dur=0.250"
    told = {name.decode(): float(spent) for name, spent in TIMING.findall(own)}
    assert TIMING.sub(b"", own).strip(b", ") == b""
    assert set(told) == {"admission", "pool_wait", "connect", "send", "upstream", "proxy"}
    phases = entry["phases_ms"]
    reported = phases["upstream_queue"] + phases["upstream"]
    assert reported == pytest.approx(min(3.75, told["upstream"]), abs=0.001)
    assert told.pop("upstream") == pytest.approx(reported + phases["network"], abs=0.002)
    for name in set(told) - {"proxy"}:  # of which there is more to come
        assert told[name] == pytest.approx(phases[name], abs=0.001)


@pytest.mark.parametrize(
    ("send_ms", "wait_ms", "expected"),
    [(1, 140, (1, 10, 100, 30)), (25, 90, (5, 10, 100, 0)), (4, 90, (0, 10, 84, 0))],
)
def test_the_upstream_took_what_it_reports_though_the_proxy_noted_late_that_all_was_sent(
    send_ms: int, wait_ms: int, expected: tuple[int, ...]
) -> None:
    """It reports 10 ms of queue and 100 of work: at most what passed since the request began to go out."""
    times = PhaseTimer()
    times.spent_ns[Phase.SEND], times.spent_ns[Phase.UPSTREAM] = send_ms * 1_000_000, wait_ms * 1_000_000
    times.upstream_headers = [(b"server-timing", b"queue;dur=10.000, work;dur=99.000, late;dur=1.000")]
    times.settle()
    phases = (Phase.SEND, Phase.UPSTREAM_QUEUE, Phase.UPSTREAM, Phase.NETWORK)
    assert tuple(times.spent_ns[phase] // 1_000_000 for phase in phases) == expected


async def test_what_failed_has_its_place_too() -> None:
    """A request that got no connection in time: all its time is the wait, its code and outcome stand beside it."""

    go_on = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await go_on.wait()
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with raw_upstream(script) as upstream:
        settings: dict[str, Any] = {"max_connections": 1, "pool_timeout_seconds": 0.2}
        async with running_proxy(upstream.url, **settings) as proxy:
            first = asyncio.create_task(roundtrip(proxy.port, get("/first")))
            while not upstream.exchanges:
                await asyncio.sleep(0.01)
            refused = await roundtrip(proxy.port, get("/second", "X-Sandbox-Run: 7-run"))
            go_on.set()
            await first
            entry, held = await entries_of(proxy)
            pool = await proxy.pool()
    assert split(refused)[0] == 503
    assert (entry["path"], entry["status"], entry["run"]) == ("/second", 503, "7-run")
    assert (entry["outcome"], entry["code"]) == ("failed", "pool_exhausted")
    assert entry["phases_ms"]["pool_wait"] >= 0.95 * 200
    assert entry["phases_ms"]["connect"] == entry["phases_ms"]["upstream"] == 0
    assert adds_up(entry)
    assert adds_up(held)
    assert (pool["active"], pool["waiting"]) == (0, 0)


async def test_what_was_refused_before_admission_waited_for_none() -> None:
    """All the time of a request that has no single meaning is the proxy's own."""

    async with raw_upstream() as upstream, running_proxy(upstream.url, max_in_flight=1) as proxy:
        refused = await roundtrip(proxy.port, b"GET /x HTTP/1.1\r\nHost: a b\r\n\r\n")
        (entry,) = await entries_of(proxy)
    assert split(refused)[0] == 400
    assert adds_up(entry)
    phases = entry["phases_ms"]
    assert phases.pop("proxy") > 0
    assert set(phases.values()) == {0}


async def test_what_left_the_queue_for_admission_waited_there() -> None:
    go_on = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await go_on.wait()
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    settings: dict[str, Any] = {"max_in_flight": 1, "total_timeout_seconds": 0.3}
    async with raw_upstream(script) as upstream, running_proxy(upstream.url, **settings) as proxy:
        answers = await asyncio.gather(roundtrip(proxy.port, get("/1")), roundtrip(proxy.port, get("/2")))
        entries = {entry["path"]: entry["phases_ms"] for entry in await entries_of(proxy)}
    assert {split(answer)[0] for answer in answers} == {504}
    (waited,) = [phases for phases in entries.values() if phases["admission"] > 100]
    # both end together, so that the turn may come in the last moment
    assert waited["pool_wait"] + waited["upstream"] < waited["admission"] / 10


async def test_a_second_try_adds_to_the_first() -> None:
    """A kept connection that was closed under a request: two waits, one entry that sums up, no slot left over."""

    async def script(exchange: Exchange) -> None:
        if exchange.number_on_connection == 2:
            exchange.writer.close()
        else:
            await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with raw_upstream(script) as upstream, running_proxy(upstream.url, retries=1) as proxy:
        answers = [split(await roundtrip(proxy.port, get("/")))[0] for _ in range(4)]
        entries = await entries_of(proxy)
        pool = await proxy.pool()
    assert answers == [200] * 4
    assert all(map(adds_up, entries))
    assert all(entry["phases_ms"]["connect"] > 0 for entry in entries)
    assert pool["wait_ms"]["count"] == pool["hold_ms"]["count"] == 4 + 3
    assert (pool["active"], pool["waiting"], pool["requests"]["in_flight"]) == (0, 0, 0)


async def test_the_ring_is_bounded_and_says_what_it_lost() -> None:
    """The newest 50 of 120 are there; a cursor goes on where it was, with what was written over in between."""

    async with raw_upstream() as upstream, running_proxy(upstream.url, ledger_entries=50) as proxy:

        async def page(query: str) -> dict[str, Any]:
            found: dict[str, Any] = json.loads(split(await roundtrip(proxy.port, get("/-/ledger" + query)))[2])
            return found

        start = (await page("?since=end"))["next"]
        for count, first, dropped in ((30, 1, 0), (90, 71, 70)):
            for _ in range(count):
                await roundtrip(proxy.port, get("/"))
            found = await page(f"?since={start}")
            assert (found["entries"][0]["seq"], found["dropped"]) == (first, dropped)
        assert [entry["seq"] for entry in found["entries"]] == list(range(71, 121))
        assert (await page(f"?since={found['next']}"))["entries"] == []
        ten = await page(f"?since={start}&limit=10")
        assert [entry["seq"] for entry in ten["entries"]] == list(range(71, 81))
        rest = await page(f"?since={ten['next']}")
        assert [entry["seq"] for entry in rest["entries"]] == list(range(81, 121))
        assert (rest["dropped"], rest["next"]) == (0, found["next"])
        for wrong in ("?since=nonsense", "?limit=0", "?limit=ten"):
            status = split(await roundtrip(proxy.port, get("/-/ledger" + wrong)))[0]
            assert status in (400, 422)


async def test_without_a_ledger_nothing_is_kept_and_nothing_told() -> None:
    """PROXY_LEDGER=false: no header, no entries, and the pool is counted as ever."""

    async with raw_upstream() as upstream, running_proxy(upstream.url, ledger=False) as proxy:
        names = [name for name, _ in split(await roundtrip(proxy.port, get("/")))[1]]
        assert b"server-timing" not in names
        assert split(await roundtrip(proxy.port, get("/-/ledger")))[0] == 404
        pool = await proxy.pool()
    assert (pool["requests"]["answered"], pool["wait_ms"]["count"]) == (1, 1)
    assert pool["phases_ms"]["total"]["count"] == 0


@pytest.mark.slow
async def test_two_workers_give_each_entry_exactly_once() -> None:
    """Read in small pages during the load and after it, whoever answers: N requests, N entries, none twice."""

    async def scenario(port: int) -> tuple[list[dict[str, Any]], set[str]]:
        found: list[dict[str, Any]] = []
        cursor = ""

        async def read(limit: int) -> int:
            nonlocal cursor
            page = json.loads(split(await roundtrip(port, get(f"/-/ledger?since={cursor}&limit={limit}")))[2])
            cursor = page["next"]
            found.extend(page["entries"])
            assert page["dropped"] == 0
            return len(page["entries"])

        async def follow() -> None:
            while True:
                await read(17)
                await asyncio.sleep(0.01)

        follower = asyncio.create_task(follow())
        answers = await load(RunningProxy(port), 240)
        follower.cancel()
        await asyncio.wait([follower])
        while await read(50):
            pass
        return found, set(answers)

    port = free_port()
    async with raw_upstream(mixed) as upstream:
        settings = {"PROXY_PORT": port, "PROXY_UPSTREAM_URL": upstream.url, "PROXY_LEDGER_ENTRIES": 500}
        proxy = part("proxy", f"http://127.0.0.1:{port}/-/healthy", UVICORN_WORKERS=2, **settings)
        await asyncio.to_thread(proxy.__enter__)
        try:
            found, ids = await scenario(port)
        finally:
            await asyncio.to_thread(proxy.__exit__, None, None, None)
    assert sorted(entry["request_id"] for entry in found) == sorted(ids)
    assert len({entry["worker"] for entry in found}) == 2
    assert all(map(adds_up, found))


def test_a_reader_that_is_overtaken_gives_nothing_that_is_torn(tmp_path: Path) -> None:
    """Whatever the writer does between two looks, each entry is whole, in order and given once or counted lost."""
    counters = Counters()
    ledger = Ledger(tmp_path, 10, counters)
    watch = Monitor(counters, ledger)

    def write(count: int) -> None:
        for _ in range(count):
            watch.trace("GET", b"/", "id").end()
        watch.flush()

    seen: list[int] = []
    dropped, cursor = 0, None
    for count in (0, 3, 10, 11, 25, 1, 0):
        write(count)
        page = ledger_reader.page(tmp_path, cursor, 7, CODES)
        cursor, dropped = page["next"], dropped + page["dropped"]
        seen += [entry["seq"] for entry in page["entries"]]
    while page["entries"]:
        page = ledger_reader.page(tmp_path, cursor, 7, CODES)
        cursor = page["next"]
        seen += [entry["seq"] for entry in page["entries"]]
    assert seen == sorted(set(seen))
    assert len(seen) + dropped == 50
    assert seen[-1] == 50
    ledger.close()
    assert ledger_reader.page(tmp_path, None, 100, CODES)["entries"][-1]["seq"] == 50


def test_steps_that_come_late_or_twice_change_nothing() -> None:
    """A library may go on for a request that was given up: no gauge may move after the end."""
    watch = Monitor(Counters())
    with watch.trace("GET", b"/") as trace:
        trace.admitted()
        trace.connecting()
    before = list(watch.cells)
    trace.connected()
    trace.secured()
    trace.writing(kept=True)
    trace.sent()
    trace.head_received()
    trace.connecting()
    trace.released()
    trace.end()
    assert list(watch.cells) == before
    assert [watch.cells[cell] for cell in (Cell.ACTIVE, Cell.WAITING, Cell.CONNECTING)] == [0, 0, 0]
    assert watch.held == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"queue;dur=1.5, work;dur=2, late;dur=0.5", (1_500_000, 2_500_000)),
        (b"work; dur=2", (0, 2_000_000)),
        (b"cache;desc=hit, db;dur=53.2", None),
        (b"homework;dur=5", None),
        (b"work;dur=", None),
        (b"", None),
    ],
)
def test_only_what_an_upstream_says_of_its_own_work_is_its_report(
    value: bytes, expected: tuple[int, int] | None
) -> None:
    """Other metrics in the header, and what is no number, are left alone."""
    assert reported_ns([(b"date", b"today"), (b"Server-Timing", value)]) == expected


@pytest.mark.parametrize(
    ("spent_ms", "value"),
    [
        ({"ADMISSION": 1, "POOL_WAIT": 2.5, "SEND": 0.0101, "UPSTREAM": 100, "PROXY": 0.05}, None),
        ({"ADMISSION": 1, "POOL_WAIT": 2.5, "PROXY": 0.05, "OTHER": 1234.5678}, None),
        ({"ADMISSION": 1, "CONNECT": 30, "TLS": 60, "SEND": 0.5, "UPSTREAM": 100}, None),
        ({"CONNECT": 3, "OTHER": 0.001}, None),
        ({"SEND": 1, "OTHER": 2}, None),
        ({"UPSTREAM": 10, "NETWORK": 2}, None),
        ({"UPSTREAM": 10, "BODY": 2}, None),
        (
            {"ADMISSION": 1},
            b"admission;dur=1.000, pool_wait;dur=0.000, send;dur=0.000, upstream;dur=0.000, proxy;dur=0.000",
        ),
    ],
)
def test_server_timing_names_every_phase_that_took_time(spent_ms: dict[str, float], value: bytes | None) -> None:
    """In the order of the phases, whichever they are; on a kept connection those that took none too."""
    if value is None:
        value = b", ".join(b"%s;dur=%.3f" % (name.lower().encode(), spent) for name, spent in spent_ms.items())
    assert server_timing([round(1e6 * spent_ms.get(phase.name, 0)) for phase in Phase]) == value


def moments(watch: Monitor, *steps: str) -> dict[str, int]:
    """The phases of a trace that gets these steps and no other, some time apart."""
    trace = watch.trace("GET", b"/")
    for step in steps:
        time.sleep(0.001)
        method = getattr(trace, step)
        method(kept=False) if step == "writing" else method()
    trace.end()
    watch.flush()
    return {phase.name: spent for phase, spent in zip(Phase, trace.times.spent_ns, strict=True)}


@pytest.mark.parametrize(
    ("untold", "steps", "unknown", "known"),
    [
        # all there is to tell
        (
            (),
            "admitted connecting connected secured writing sent head_received answering body_done",
            {"UPSTREAM_QUEUE", "NETWORK"},
            {"ADMISSION", "POOL_WAIT", "CONNECT", "TLS", "SEND", "UPSTREAM", "BODY", "PROXY"},
        ),
        # a client that does not tell when the request was out: sending is part of the wait for the answer
        (
            (),
            "admitted writing head_received answering body_done",
            {"SEND", "UPSTREAM_QUEUE", "NETWORK"},
            {"ADMISSION", "POOL_WAIT", "UPSTREAM", "BODY", "PROXY"},
        ),
        # one behind a gate that tells nothing else
        (
            (),
            "admitted grant head_received answering body_done",
            {"CONNECT", "TLS", "SEND", "UPSTREAM_QUEUE", "UPSTREAM", "NETWORK"},
            {"ADMISSION", "POOL_WAIT", "OTHER", "BODY", "PROXY"},
        ),
        # one that connects and shakes hands in one
        (
            (Phase.TLS,),
            "admitted connecting connected writing sent head_received answering body_done",
            {"TLS", "UPSTREAM_QUEUE", "NETWORK"},
            {"ADMISSION", "POOL_WAIT", "CONNECT", "SEND", "UPSTREAM", "BODY", "PROXY"},
        ),
        # given up while it waited
        ((), "admitted released", set(), {"ADMISSION", "POOL_WAIT"}),
    ],
)
def test_what_a_client_cannot_tell_is_unknown(
    tmp_path: Path, untold: tuple[Phase, ...], steps: str, unknown: set[str], known: set[str]
) -> None:
    """Not guessed, not zero; what took the time instead is in the phases that are known, and nothing is lost."""
    counters = Counters()
    ledger = Ledger(tmp_path, 10, counters)
    watch = Monitor(counters, ledger)
    watch.always_unknown = untold
    spent = moments(watch, *steps.split())
    assert {name for name, each in spent.items() if each == UNKNOWN} == unknown
    assert {name for name, each in spent.items() if each >= 1_000_000} == known
    (entry,) = ledger_reader.page(tmp_path, None, 10, CODES)["entries"]
    assert sum(each for each in spent.values() if each > 0) == round(entry["total_ms"] * 1e6)
    ledger.close()


def test_a_clock_that_is_set_back_loses_no_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rings, page by page: each entry once, those of a ring in its order."""
    ledgers = [Ledger(tmp_path, 50, Counters()) for _ in range(2)]
    for moment in (100, 200, 50, 60, 300, 10):
        monkeypatch.setattr("poolwatch.ledger.time.time_ns", lambda moment=moment: moment * 10**9)
        for ledger in ledgers:
            watch = Monitor(Counters(), ledger)
            watch.trace("GET", b"/").end()
            watch.flush()
    monkeypatch.undo()
    seen: list[str] = []
    cursor = None
    while (page := ledger_reader.page(tmp_path, cursor, 1, CODES))["entries"]:
        cursor = page["next"]
        seen += [entry["request_id"][:8] + str(entry["seq"]) for entry in page["entries"]]
    assert len(seen) == len(set(seen)) == 12
    for ledger in ledgers:
        ledger.close()
