from loadtest.phases import ledger_of, phases_ms, shares_of
from loadtest.service_snapshots import Snapshot


def answer(**phases: tuple[int, float, dict[str, int]]) -> dict[str, object]:
    rows = {name: {"count": n, "sum": total, "histogram": buckets} for name, (n, total, buckets) in phases.items()}
    return {"phases_ms": rows}


def entry(run: str, total_ms: float, **phases: float | None) -> dict[str, object]:
    return {"run": run, "total_ms": total_ms, "phases_ms": phases}


def test_phases_are_the_difference_of_two_snapshots() -> None:
    """Mean by the sums, percentiles by the histograms; a phase that nobody went through is null."""
    before = Snapshot(at=0.0, pool=answer(pool_wait=(10, 100.0, {"10.0": 10}), tls=(0, 0.0, {})))
    after = Snapshot(at=1.0, pool=answer(pool_wait=(14, 900.0, {"10.0": 10, "200.0": 4}), tls=(0, 0.0, {})))
    found = phases_ms(before, after, [entry("r", 200.0, pool_wait=150.0)])
    assert found is not None
    wait = found["pool_wait"]
    assert wait is not None
    assert (wait.count, wait.mean, wait.p50, wait.p99, wait.share_of_slowest) == (4, 200.0, 200.0, 200.0, 0.75)
    assert found["tls"] is None


def test_a_proxy_without_a_ledger_has_no_phases() -> None:
    """Null, not zeros."""
    assert phases_ms(Snapshot(at=0.0), Snapshot(at=1.0, pool={}), []) is None


def test_the_slowest_are_one_in_a_hundred_of_the_run_and_at_least_one() -> None:
    """Entries of other runs are not ours."""
    entries = [entry("ours", float(number)) for number in range(1, 301)] + [entry("other", 9999.0)]
    told, slowest = ledger_of(entries, 2, "ours")
    assert (told.entries, told.dropped, told.slowest_requests, told.slowest_from_ms) == (300, 2, 3, 298.0)
    assert [row["total_ms"] for row in slowest] == [300.0, 299.0, 298.0]
    assert ledger_of([entry("ours", 5.0)], 0, "ours")[0].slowest_requests == 1
    assert ledger_of([], 0, "ours")[0].slowest_from_ms is None


def test_shares_leave_out_what_cannot_be_told() -> None:
    """A null phase has no share, and the rest keeps its own."""
    shares = shares_of(
        [entry("r", 100.0, pool_wait=80.0, connect=None), entry("r", 100.0, pool_wait=40.0, connect=None)]
    )
    assert shares == {"total": 1.0, "pool_wait": 0.6, "connect": 0.0}
