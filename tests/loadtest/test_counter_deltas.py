"""Phases out of the proxy's histograms, and the slowest requests out of its ledger."""

from lab.wire.proxy import LedgerEntry, LedgerPage, PoolStats
from lab.wire.service import Histogram
from loadtest.counter_deltas import ledger_of, phases_of, shares_of
from loadtest.snapshot import Snapshot


def snapshot(at: float, **phases: Histogram) -> Snapshot:
    nothing = Histogram()
    pool = PoolStats(
        max=10,
        total=0,
        active=0,
        idle=0,
        waiting=0,
        opened=0,
        reused=0,
        closed=0,
        timeouts=0,
        wait_ms=nothing,
        hold_ms=nothing,
        phases_ms=phases,
    )
    return Snapshot(at=at, pool=pool)


def entry(run: str, total_ms: float, **phases: float | None) -> LedgerEntry:
    return LedgerEntry(run=run, total_ms=total_ms, phases_ms=phases)


def test_phases_are_the_difference_of_two_snapshots() -> None:
    """Mean by the sums, percentiles by the histograms; a phase that no request went through is null."""
    before = snapshot(0.0, pool_wait=Histogram(count=10, sum=100.0, histogram={10.0: 10}), tls=Histogram())
    waits = Histogram(count=14, sum=900.0, histogram={10.0: 10, 200.0: 4})
    found = phases_of(before, snapshot(1.0, pool_wait=waits, tls=Histogram()), [entry("r", 200.0, pool_wait=150.0)])
    assert found is not None
    wait = found["pool_wait"]
    assert wait is not None
    assert (wait.count, wait.mean, wait.p50, wait.p99, wait.share_of_slowest) == (4, 200.0, 200.0, 200.0, 0.75)
    assert found["tls"] is None


def test_a_proxy_without_a_ledger_has_no_phases() -> None:
    """Null, not zeros."""
    assert phases_of(Snapshot(at=0.0), snapshot(1.0), []) is None


def test_the_slowest_are_one_in_a_hundred_of_the_run_and_at_least_one() -> None:
    """Entries of other runs are not ours."""
    entries = [entry("ours", float(number)) for number in range(1, 301)] + [entry("other", 9999.0)]
    summary, slowest = ledger_of(LedgerPage(dropped=2, entries=entries), "ours")
    assert (summary.entries, summary.dropped, summary.slowest_requests, summary.slowest_from_ms) == (300, 2, 3, 298.0)
    assert [row.total_ms for row in slowest] == [300.0, 299.0, 298.0]
    assert [one.total_ms for one in summary.slowest] == [300.0 - number for number in range(12)]
    assert ledger_of(LedgerPage(entries=[entry("ours", 5.0)]), "ours")[0].slowest_requests == 1
    assert ledger_of(LedgerPage(entries=[]), "ours")[0].slowest_from_ms is None


def test_shares_leave_out_what_is_not_known() -> None:
    """A null phase has no share, and the rest keeps its own."""
    shares = shares_of(
        [entry("r", 100.0, pool_wait=80.0, connect=None), entry("r", 100.0, pool_wait=40.0, connect=None)]
    )
    assert shares == {"total": 1.0, "pool_wait": 0.6, "connect": 0.0}
