"""The pool as one document: what `/-/pool` answers. Pure."""

from dataclasses import dataclass
from typing import Any

from poolwatch.counters import Cell, Histogram
from poolwatch.histogram import Distribution
from poolwatch.phases import NAMES
from poolwatch.recorded_times import by_total
from poolwatch.report import gauges
from poolwatch.worker_totals import Totals, WorkerCounts


@dataclass(frozen=True)
class PoolLimits:
    """What all workers' pools may hold together."""

    workers: int
    max_connections: int
    max_keepalive_connections: int


CONNECTIONS = ("total", "idle", "connecting", "opened", "reused", "closed", "closed_after")
"""Figures that need a client library that reports its connections."""


def pool_document(totals: Totals, limits: PoolLimits, *, connections_known: bool = True) -> dict[str, Any]:
    """Return the pool of all workers: gauges, counters since the start, the newest run, the processes.

    Without `connections_known` the client library reports no connections: those figures are null, not zero.
    """
    document = _document(totals, limits)
    return document if connections_known else document | dict.fromkeys(CONNECTIONS)


def _document(totals: Totals, limits: PoolLimits) -> dict[str, Any]:
    return {
        "workers": limits.workers,
        "max": limits.max_connections,
        "max_keepalive": limits.max_keepalive_connections,
        **gauges(totals),
        "opened": totals[Cell.OPENED],
        "reused": totals[Cell.REUSED],
        "closed": totals[Cell.CLOSED],
        "closed_after": {"end": totals[Cell.CLOSED_ENDED], "idle": totals[Cell.CLOSED_IDLE]},
        "lookups_ms": {"count": totals[Cell.LOOKUPS], "sum": totals[Cell.LOOKUP_NS] / 1e6},
        "timeouts": totals[Cell.TIMEOUTS],
        "retried": totals[Cell.RETRIED],
        "wait_ms": _shown(totals.distribution(Histogram.WAIT)),
        "phases_ms": {name: _shown(totals.distribution(Histogram(phase))) for phase, name in enumerate(NAMES)}
        | {"total": _shown(totals.distribution(Histogram.TOTAL))},
        "by_total": {"phases": list(NAMES), "rows": by_total(totals.cells)},
        "loop_lag_ms": _shown(totals.distribution(Histogram.LOOP_LAG)),
        "waiting_sampled": totals[Cell.WAITING_SAMPLED] / 1000,
        "waiting_free": totals[Cell.WAITING_FREE] / 1000,
        "waiting_opening": totals[Cell.WAITING_OPENING] / 1000,
        "hold_ms": {"count": totals[Cell.HOLD_COUNT], "sum": totals[Cell.HOLD_NS] / 1e6},
        "requests": {
            "received": totals[Cell.RECEIVED],
            "answered": totals[Cell.ANSWERED],
            "failed": totals[Cell.FAILED],
            "aborted": totals[Cell.ABORTED],
            "in_flight": totals[Cell.IN_FLIGHT],
        },
        "errors": totals.errors,
        "abandoned": totals[Cell.ABANDONED],
        "threads": {
            "busy": totals[Cell.THREADS_BUSY],
            "allowed": totals[Cell.THREADS_TOTAL],
            "waiting": totals[Cell.THREADS_WAITING],
        },
        "leaked": totals[Cell.LEAKED],
        "lost": totals[Cell.LOST],
        "run": _run(totals),
        "process": {
            "cpu_seconds": totals[Cell.CPU_NS] / 1e9,
            "workers": [_worker(worker) for worker in totals.workers],
        },
    }


def _worker(worker: WorkerCounts) -> dict[str, Any]:
    wait = worker.distribution(Histogram.WAIT)
    return {
        "pid": worker.pid,
        "cpu_seconds": worker[Cell.CPU_NS] / 1e9,
        "alive": worker.alive,
        **gauges(worker),
        "requests": worker[Cell.ANSWERED] + worker[Cell.FAILED] + worker[Cell.ABORTED],
        "timeouts": worker[Cell.TIMEOUTS],
        "wait_ms": {"count": wait.count, "sum": wait.sum_ms},
        "hold_ms": {"count": worker[Cell.HOLD_COUNT], "sum": worker[Cell.HOLD_NS] / 1e6},
        "descriptors": worker[Cell.DESCRIPTORS],
        "descriptors_max": worker[Cell.RUN_DESCRIPTORS_MAX],
    }


def _shown(distribution: Distribution) -> dict[str, Any]:
    return {
        "count": distribution.count,
        "sum": distribution.sum_ms,
        "histogram": {str(bound): count for bound, count in distribution.histogram.items()},
    }


def _run(totals: Totals) -> dict[str, Any]:
    """Return the figures of the newest run. The maxima of several workers are added, so they are upper bounds."""
    run = totals.run
    outcomes = {name: run[Cell[f"RUN_{name.upper()}"]] for name in ("received", "answered", "failed", "aborted")}
    in_flight = outcomes["received"] - outcomes["answered"] - outcomes["failed"] - outcomes["aborted"]
    return {
        "id": totals.run_id,
        **outcomes,
        "in_flight": in_flight,
        **{name: run[Cell[f"RUN_{name.upper()}"]] for name in ("untried", "tries", "retried", "sent", "responded")},
        "active_max": run[Cell.RUN_ACTIVE_MAX],
        "waiting_max": run[Cell.RUN_WAITING_MAX],
    }
