"""The pool as one document: what `/-/pool` answers. Pure."""

from dataclasses import dataclass
from typing import Any

from poolwatch.counters import Cell, Histogram
from poolwatch.histogram import Distribution
from poolwatch.phases import NAMES
from poolwatch.report import gauges
from proxy.worker_totals import Sums


@dataclass(frozen=True)
class PoolLimits:
    """What all workers' pools may hold together."""

    workers: int
    max_connections: int
    max_keepalive_connections: int


CONNECTIONS = ("total", "idle", "connecting", "opened", "reused", "closed")
"""Figures that need a client library which tells of its connections."""


def pool_document(sums: Sums, limits: PoolLimits, *, told: bool = True) -> dict[str, Any]:
    """Return the pool of all workers: gauges, counters since the start, the newest run, the processes.

    Without `told` the client library does not tell of its connections: those figures are null, not zero.
    """
    document = _document(sums, limits)
    return document if told else document | dict.fromkeys(CONNECTIONS)


def _document(sums: Sums, limits: PoolLimits) -> dict[str, Any]:
    return {
        "workers": limits.workers,
        "max": limits.max_connections,
        "max_keepalive": limits.max_keepalive_connections,
        **gauges(sums),
        "opened": sums[Cell.OPENED],
        "reused": sums[Cell.REUSED],
        "closed": sums[Cell.CLOSED],
        "timeouts": sums[Cell.TIMEOUTS],
        "wait_ms": _shown(sums.distribution(Histogram.WAIT)),
        "phases_ms": {name: _shown(sums.distribution(Histogram(phase))) for phase, name in enumerate(NAMES)}
        | {"total": _shown(sums.distribution(Histogram.TOTAL))},
        "hold_ms": {"count": sums[Cell.HOLD_COUNT], "sum": sums[Cell.HOLD_NS] / 1e6},
        "requests": {
            "received": sums[Cell.RECEIVED],
            "answered": sums[Cell.ANSWERED],
            "failed": sums[Cell.FAILED],
            "aborted": sums[Cell.ABORTED],
            "in_flight": sums[Cell.IN_FLIGHT],
        },
        "errors": sums.errors,
        "abandoned": sums[Cell.ABANDONED],
        "leaked": sums[Cell.LEAKED],
        "run": _run(sums),
        "process": {
            "cpu_seconds": sums[Cell.CPU_NS] / 1e9,
            "workers": [
                {"pid": worker.pid, "cpu_seconds": worker[Cell.CPU_NS] / 1e9, "alive": worker.alive, **gauges(worker)}
                for worker in sums.workers
            ],
        },
    }


def _shown(distribution: Distribution) -> dict[str, Any]:
    return {
        "count": distribution.count,
        "sum": distribution.sum_ms,
        "histogram": {str(bound): count for bound, count in distribution.histogram.items()},
    }


def _run(sums: Sums) -> dict[str, Any]:
    """Return the figures of the newest run. The maxima of several workers are added, so they are upper bounds."""
    run = sums.run
    outcomes = {name: run[Cell[f"RUN_{name.upper()}"]] for name in ("received", "answered", "failed", "aborted")}
    in_flight = outcomes["received"] - outcomes["answered"] - outcomes["failed"] - outcomes["aborted"]
    return {
        "id": sums.run_id,
        **outcomes,
        "in_flight": in_flight,
        "active_max": run[Cell.RUN_ACTIVE_MAX],
        "waiting_max": run[Cell.RUN_WAITING_MAX],
    }
