"""A pool's figures at one moment. Pure."""

from typing import Protocol

from poolwatch.counters import Cell


class Counts(Protocol):
    """Cells of one worker, or of all of them summed."""

    def __getitem__(self, cell: int, /) -> int: ...


def line(counts: Counts) -> str:
    """Return the pool in one line, for logs."""
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
