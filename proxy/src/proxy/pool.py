"""The pool as one document: what `/-/pool` answers. Pure."""

from typing import TYPE_CHECKING, Any, Protocol

from proxy.board import Distribution, Sums
from proxy.counters import Cell, Histogram
from proxy.phases import NAMES

if TYPE_CHECKING:
    from proxy.settings import Settings


class Counts(Protocol):
    """Cells of one worker, or of all of them summed."""

    def __getitem__(self, cell: int, /) -> int: ...


def line(counts: Counts) -> str:
    """Return the pool in one line, as it stands in logs."""
    now = gauges(counts)
    return "pool " + " ".join(f"{name}={now[name]}" for name in ("total", "active", "idle", "waiting"))


def gauges(counts: Counts) -> dict[str, int]:
    """Return total, active, idle, connecting and waiting: connections, and requests without one.

    `active` counts requests that hold a connection, or a stream of one that speaks HTTP/2: more than `total`, then.
    """
    active, connecting = counts[Cell.ACTIVE], counts[Cell.CONNECTING]
    established = counts[Cell.OPENED] - counts[Cell.CLOSED]
    # cells are read one after the other while the worker goes on: a moment's difference is not a negative idle
    multiplexed = counts[Cell.H2_OPEN] > 0
    in_use = counts[Cell.H2_BUSY] if multiplexed else active - connecting
    idle = max(established - in_use, 0)
    return {
        "total": max(established + connecting, 0) if multiplexed else active + idle,
        "active": active,
        "idle": idle,
        "connecting": connecting,
        "waiting": counts[Cell.WAITING],
    }


CONNECTIONS = ("total", "idle", "connecting", "opened", "reused", "closed")
"""Figures that need a client library which tells of its connections."""


def pool_document(sums: Sums, settings: "Settings", workers: int, *, told: bool = True) -> dict[str, Any]:
    """Return the pool of all workers: gauges, counters since the start, the newest run, the processes.

    Without `told` the client library does not tell of its connections: those figures are null, not zero.
    """
    document = _document(sums, settings, workers)
    return document if told else document | dict.fromkeys(CONNECTIONS)


def _document(sums: Sums, settings: "Settings", workers: int) -> dict[str, Any]:
    return {
        "workers": workers,
        "max": workers * settings.max_connections,
        "max_keepalive": workers * settings.keepalive_connections,
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
