import math
import random
from pathlib import Path

import pytest

from poolwatch import worker_totals
from poolwatch.counters import CELLS, Cell, Histogram
from poolwatch.histogram import BOUNDS_MS
from poolwatch.phases import Phase
from poolwatch.pool_report import PoolLimits, pool_document
from poolwatch.worker_counters import WorkerCounters

CODES = ("closed", "reset")


def test_the_sums_are_over_all_workers(tmp_path: Path) -> None:
    """WorkerCounters and gauges of the living add up; a run's figures come only from workers that saw it."""
    one, two = WorkerCounters(tmp_path, CODES), WorkerCounters(tmp_path, CODES)
    one.begin_run(b"1-old")
    two.begin_run(b"2-new")
    for counters, count in ((one, 3), (two, 4)):
        counters.cells[Cell.OPENED] = count
        counters.cells[Cell.RUN_RECEIVED] = count
    sums = worker_totals.read(tmp_path, CODES)
    assert sums[Cell.OPENED] == 7
    assert (sums.run_id, sums.run[Cell.RUN_RECEIVED]) == ("2-new", 4)
    one.close()
    two.close()


def test_a_dead_worker_is_settled(tmp_path: Path) -> None:
    """Its connections are closed and its requests in flight aborted: opened = closed + open still holds."""
    dead = WorkerCounters(tmp_path, CODES)
    dead.begin_run(b"1-run")
    for cell, value in (
        (Cell.RECEIVED, 10),
        (Cell.ANSWERED, 7),
        (Cell.IN_FLIGHT, 3),
        (Cell.RUN_RECEIVED, 10),
        (Cell.RUN_ANSWERED, 7),
        (Cell.RUN_TRIES, 11),
        (Cell.RUN_RETRIED, 2),
        (Cell.ACTIVE, 2),
        (Cell.WAITING, 1),
        (Cell.OPENED, 5),
        (Cell.CLOSED, 1),
    ):
        dead.cells[cell] = value
    dead.close()  # the lock goes, the file stays: what the kernel does for a killed process
    document = pool_document(worker_totals.read(tmp_path, CODES), PoolLimits(1, 10, 5))
    assert document["requests"] == {"received": 10, "answered": 7, "failed": 0, "aborted": 3, "in_flight": 0}
    assert document["run"]["in_flight"] == 0
    run = document["run"]
    assert run["tries"] == run["received"] - run["untried"] + run["retried"]
    assert (document["total"], document["opened"], document["closed"], document["waiting"]) == (0, 5, 5, 0)
    assert document["process"]["workers"][0]["alive"] is False


def test_every_wait_is_in_the_histogram(tmp_path: Path) -> None:
    """From nothing to beyond the last bound, each in a bucket that is not below it."""
    counters = WorkerCounters(tmp_path, CODES)
    waits_ms = [0.0, 0.0004, 0.1, 0.11, 99.0, 100.0, 100.3, 600_000.0, 900_000.0]
    for wait in waits_ms:
        counters.add(Histogram.WAIT, round(wait * 1e6))
    histogram = worker_totals.read(tmp_path, CODES).distribution(Histogram.WAIT).histogram
    assert sum(histogram.values()) == len(waits_ms)
    assert histogram[BOUNDS_MS[0]] == 1
    assert histogram[BOUNDS_MS[-1]] == 2
    for wait in (0.1, 0.11, 99.0, 100.0, 100.3):
        assert any(wait < bound <= max(wait * 1.008, wait + 0.000256) + 1e-9 for bound in histogram), (wait, histogram)
    counters.close()


def test_quantiles_of_every_phase_are_right_for_ten_million_requests(tmp_path: Path) -> None:
    """Two workers, each with 2,000 requests counted 2,500 times: the cells are as many as before."""
    chance = random.Random(3)
    requests = [[round(chance.lognormvariate(14 + phase / 2, 2)) for phase in Phase] for _ in range(4000)]
    workers = [WorkerCounters(tmp_path, CODES) for _ in range(2)]
    for number, counters in enumerate(workers):
        counters.add_phases([(spent_ns, sum(spent_ns)) for spent_ns in requests[number::2]])
        for cell, count in enumerate(counters.cells):
            counters.cells[cell] = count * 2500
    sums = worker_totals.read(tmp_path, CODES)
    assert len(sums.cells) == CELLS + len(CODES)
    for name, took in [(phase.name, [spent[phase] for spent in requests]) for phase in Phase]:
        found, took = sums.distribution(Histogram[name]), sorted(took)
        assert found.count == 10_000_000
        assert found.sum_ms == pytest.approx(sum(took) * 2500 / 1e6)
        for share in (0.5, 0.9, 0.99, 0.999):
            assert found.percentile_ms(share) == pytest.approx(took[math.ceil(share * len(took)) - 1] / 1e6, rel=0.01)
    for counters in workers:
        counters.close()


def test_a_new_run_starts_from_zero_but_keeps_what_is_there_now(tmp_path: Path) -> None:
    """Its maxima are at least the gauges at its beginning."""
    counters = WorkerCounters(tmp_path, CODES)
    counters.begin_run(b"1")
    counters.cells[Cell.RUN_ANSWERED] = 9
    counters.cells[Cell.RUN_WAITING_MAX] = 50
    counters.cells[Cell.WAITING] = 2
    counters.begin_run(b"2")
    assert counters.cells[Cell.RUN_ANSWERED] == 0
    assert counters.cells[Cell.RUN_WAITING_MAX] == 2
    counters.close()


def test_errors_are_counted_by_the_codes_given(tmp_path: Path) -> None:
    counters = WorkerCounters(tmp_path, CODES)
    counters.count_error("reset")
    assert worker_totals.read(tmp_path, CODES).errors == {"closed": 0, "reset": 1}
    counters.close()
