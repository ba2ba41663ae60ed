"""Where the requests' time went, out of the proxy's histograms and its ledger. Pure: answers in, phases out.

The histograms count every request of the proxy, so mean and percentiles are by difference over the run; only the
ledger tells runs apart and knows which requests were the slowest.
"""

from collections.abc import Sequence
from typing import Any

from lab.run_document import Ledger, PhaseMs
from loadtest.counter_deltas import distribution
from loadtest.service_snapshots import Answer, Snapshot, number, section

SLOWEST_SHARE = 0.01

Phases = dict[str, PhaseMs | None]


def phases_ms(before: Snapshot, after: Snapshot, slowest: Sequence[Answer]) -> Phases | None:
    """Return each phase of the run's requests, null where it cannot be told; None if the proxy has no ledger."""
    start, end = section(before.pool, "phases_ms"), section(after.pool, "phases_ms")
    if not end:
        return None
    shares = shares_of(slowest)
    return {name: _phase(section(start, name), section(end, name), shares.get(name)) for name in end}


def ledger_of(entries: Sequence[Answer], dropped: int, run_id: str) -> tuple[Ledger, list[Answer]]:
    """Return what the ledger told of the run, and its slowest entries."""
    ours = [entry for entry in entries if entry.get("run") == run_id]
    by_time = sorted(ours, key=lambda entry: number(entry, "total_ms"), reverse=True)
    slowest = by_time[: max(1, int(len(by_time) * SLOWEST_SHARE))] if by_time else []
    told = Ledger(
        entries=len(ours),
        dropped=dropped,
        slowest_requests=len(slowest),
        slowest_from_ms=number(slowest[-1], "total_ms") if slowest else None,
    )
    return told, slowest


def shares_of(entries: Sequence[Answer]) -> dict[str, float]:
    """Return each phase's part of the entries' time together; a phase that cannot be told has none."""
    total = sum(number(entry, "total_ms") for entry in entries)
    if not total:
        return {}
    shares: dict[str, float] = {"total": 1.0}
    for entry in entries:
        for name, value in section(entry, "phases_ms").items():
            shares[name] = shares.get(name, 0.0) + _milliseconds(value) / total
    return {name: round(share, 4) for name, share in shares.items()}


def _phase(start: Answer, end: Answer, share: float | None) -> PhaseMs | None:
    took = distribution(start, end)
    if took is None or took.count == 0:
        return None
    return PhaseMs(count=took.count, mean=took.mean, p50=took.p50, p99=took.p99, share_of_slowest=share)


def _milliseconds(value: Any) -> float:
    return value if isinstance(value, int | float) else 0.0
