"""The journal: what is entered in batches is what would have been entered one by one, and nothing waits for long."""

import asyncio
import json
import random
import re
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from poolwatch import ledger_reader
from poolwatch.counters import BY_TOTAL_AT, Counters, Histogram
from poolwatch.histogram import BOUNDS_MS
from poolwatch.ledger import TICK_SECONDS, Ledger
from poolwatch.monitor import Monitor
from poolwatch.phases import UNKNOWN, Phase
from poolwatch.recorded_times import by_total, distribution
from proxy.errors import CODES
from support.raw_http import get, raw_upstream, roundtrip, split
from support.servers import running_proxy


def entries(directory: Path) -> list[dict[str, Any]]:
    """All that is in the ledger's files now."""
    found: list[dict[str, Any]] = ledger_reader.page(directory, None, 10_000, CODES)["entries"]
    return found


def test_batches_hold_what_single_entries_would(tmp_path: Path) -> None:
    """Ids, order, times and histograms of 200 requests, entered as it comes and at the end."""
    counters = Counters()
    ledger = Ledger(tmp_path, 1000, counters)
    watch = Monitor(counters, ledger)
    traces = []
    for number in range(200):
        with watch.trace("GET", b"/%d" % number, str(number)) as trace:
            trace.admitted()
            trace.answering()
        traces.append(trace)
    watch.flush()
    totals = [trace.times.total_ns for trace in traces]
    found = entries(tmp_path)
    assert [entry["request_id"] for entry in found] == [str(number) for number in range(200)]
    assert [entry["total_ms"] for entry in found] == [total / 1e6 for total in totals]
    starts = [entry["started_at"] for entry in found]
    assert all(first <= second for first, second in pairwise(starts))
    total = distribution(watch.cells, Histogram.TOTAL)
    assert total.count == 200
    assert abs(total.sum_ms - sum(totals) / 1e6) < 1e-6
    for name in ("ADMISSION", "PROXY"):
        whole = sum(entry["phases_ms"][name.lower()] for entry in found)
        assert abs(distribution(watch.cells, Histogram[name]).sum_ms - whole) < 1e-6
    ledger.close()


def test_what_is_unknown_counts_in_no_histogram(tmp_path: Path) -> None:
    """A request of a client that tells nothing beside one that took no time at all in a phase."""
    counters = Counters()
    ledger = Ledger(tmp_path, 10, counters)
    watch = Monitor(counters, ledger)
    for steps in (("admitted", "grant", "head_received", "answering"), ("admitted", "answering")):
        trace = watch.trace("GET", b"/")
        for step in steps:
            getattr(trace, step)()
        trace.end()
    watch.flush()
    assert distribution(watch.cells, Histogram.CONNECT).count == 1
    assert distribution(watch.cells, Histogram.TOTAL).count == 2
    ledger.close()


def test_columns_fill_the_buckets_that_single_durations_would(tmp_path: Path) -> None:
    """On the bounds, beside them, above the last one, none at all and unknown."""
    bounds = [round(bound * 1e6) for bound in BOUNDS_MS[::40]]
    chance = random.Random(4)
    spent = [
        0,
        *bounds,
        *[bound + 1 for bound in bounds],
        bounds[-1] * 50,
        *[chance.randrange(10**9) for _ in range(99)],
    ]
    batch, single = Counters(), Counters()
    batch.add_phases([([each] * (len(Phase) - 1) + [UNKNOWN], each) for each in spent])
    for each in spent:
        for histogram in range(Histogram.REQUEST + 1):
            if histogram != Phase.OTHER:
                single.add(histogram, 0 if histogram == Histogram.REQUEST else each)
    assert list(batch.cells[:BY_TOTAL_AT]) == list(single.cells[:BY_TOTAL_AT])


def test_requests_are_summed_by_their_whole_time() -> None:
    """Two that opened no connection and took about as long, and one that did and took longer."""
    counters = Counters()
    quick = [0] * len(Phase)
    quick[Phase.NETWORK], quick[Phase.OTHER] = 2_000_000, UNKNOWN
    silent = [0] * len(Phase)
    silent[Phase.NETWORK], silent[Phase.UPSTREAM] = UNKNOWN, 100_000_000
    slow = [0] * len(Phase)
    slow[Phase.CONNECT], slow[Phase.NETWORK] = 40_000_000, 60_000_000
    counters.add_phases([(quick, 2_000_000), (slow, 100_000_000), (quick, 2_010_000), (silent, 100_000_000)])
    rows = [Row.of(row) for row in by_total(counters.cells)]
    assert [(row.requests, row.opened, row.silent) for row in rows] == [(2, 0, 0), (2, 1, 1)]
    assert [row.spent_ms[Phase.NETWORK] for row in rows] == pytest.approx([4.0, 60.0], abs=1e-5)
    assert [(row.opened_wait_ms, row.silent_ms) for row in rows] == [(0.0, 0.0), (60.0, 100.0)]
    assert 2.01 < rows[0].below_ms < 2.2
    assert 100 < rows[1].below_ms < 107


@dataclass(frozen=True)
class Row:
    """One class of `by_total`, by names."""

    below_ms: float
    requests: float
    spent_ms: list[float]
    opened_wait_ms: float
    opened: float
    silent_ms: float
    silent: float

    @classmethod
    def of(cls, row: list[float]) -> "Row":
        below_ms, requests, *spent, opened_wait_ms, opened, silent_ms, silent = row
        assert len(spent) == len(Phase)
        return cls(below_ms, requests, spent, opened_wait_ms, opened, silent_ms, silent)


def test_who_came_without_an_id_is_given_one(tmp_path: Path) -> None:
    """The one that a log has named already, or one that is the same for every reader; no two have the same."""
    counters = Counters()
    ledger = Ledger(tmp_path, 10, counters)
    watch = Monitor(counters, ledger)
    named = []
    for number in range(6):
        with watch.trace("GET", b"/") as trace:
            trace.admitted()
            named.append(trace.request_id if number % 2 else "")
    watch.flush()
    ids = [entry["request_id"] for entry in entries(tmp_path)]
    assert [given for given, name in zip(ids, named, strict=True) if name] == named[1::2]
    assert len({*ids}) == 6
    assert all(re.fullmatch("[0-9a-f]{16}", given) for given in ids)
    assert ids == [entry["request_id"] for entry in entries(tmp_path)]
    ledger.close()


def test_who_has_its_answer_finds_itself_in_the_ledger_at_once() -> None:
    """However often it is asked: nothing that has ended is missing, though little is entered as it ends."""

    async def scenario() -> None:
        async with raw_upstream() as upstream, running_proxy(upstream.url) as proxy:
            for number in range(1, 6):
                await roundtrip(proxy.port, get("/x"))
                page = json.loads(split(await roundtrip(proxy.port, get("/-/ledger")))[2])
                assert len(page["entries"]) == number

    asyncio.run(scenario())


def test_without_a_reader_it_is_entered_within_two_ticks(tmp_path: Path) -> None:
    """By whoever samples: the other workers' readers see the files only."""

    async def scenario() -> None:
        async with raw_upstream() as upstream, running_proxy(upstream.url, state_dir=tmp_path) as proxy:
            await roundtrip(proxy.port, get("/x"))
            deadline = time.monotonic() + 100 * TICK_SECONDS  # two of them, on a machine that does nothing else
            while not entries(tmp_path):
                assert time.monotonic() < deadline
                await asyncio.sleep(TICK_SECONDS / 5)

    asyncio.run(scenario())
