"""Who holds the connections: the longest-held slots of all workers, and a log line for one that looks leaked.

With several workers each writes its own down twice a second, for whichever worker is asked.
"""

import fcntl
import json
import logging
import os
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from poolwatch.monitor import Monitor
from poolwatch.report import line
from poolwatch.trace import RequestTrace

if TYPE_CHECKING:
    from proxy.clients.interface import Client

SHOWN: Final = 10
CONNECTIONS_SHOWN: Final = 100
Slots = dict[str, Any]


def slots(watch: Monitor, client: "Client") -> Slots:
    """Return what this worker holds: {"worker", "holders", "connections"}, the longest held first."""
    connections = client.connections()
    return {
        "worker": os.getpid(),
        "holders": holders(watch),
        "connections": None if connections is None else connections[:CONNECTIONS_SHOWN],
    }


def holders(watch: Monitor) -> list[dict[str, Any]]:
    """Return the requests that hold a connection, the longest held first."""
    return [_holder(exchange) for exchange in islice(watch.held, SHOWN)]


def merged(parts: Iterable[Slots]) -> Slots:
    """Return the slots of all workers as `/-/pool` shows them. Pure."""
    parts = list(parts)
    longest = [{"worker": part["worker"]} | holder for part in parts for holder in part["holders"]]
    told = [part for part in parts if part["connections"] is not None]
    connections = [{"worker": part["worker"]} | each for part in told for each in part["connections"]]
    return {
        "holders": sorted(longest, key=lambda holder: holder["held_seconds"], reverse=True)[:SHOWN],
        "connections": connections if told else None,
    }


def log_leaks(watch: Monitor, threshold_seconds: float) -> None:
    """Log each request that has held its connection for longer than the threshold, once."""
    for exchange in watch.held:  # oldest first
        held = exchange.held_seconds
        if held < threshold_seconds:
            return
        if not exchange.leak_logged:
            exchange.leak_logged = True
            logging.getLogger("proxy").warning(
                "a connection has been held for %.1f s by %s %s, request id %s: %s",
                held,
                exchange.method,
                exchange.path.decode("latin-1"),
                exchange.request_id,
                line(watch.cells),
            )


class Notices:
    """What this worker holds, in a file that the other workers read. Locked as long as the worker lives."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / f"worker-{time.time_ns()}-{os.getpid()}.slots"
        self._file = self._path.open("w+b", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def write(self, own: Slots) -> None:
        """Put this worker's slots where the others see them."""
        text = json.dumps(own).encode()
        os.pwrite(self._file.fileno(), b"%08d" % len(text) + text, 0)

    def of_others(self) -> list[Slots]:
        """Return the slots of the other living workers, half a second old at the most."""
        found = [_read(path) for path in self._directory.glob("*.slots") if path != self._path]
        return [part for part in found if part is not None]

    def close(self) -> None:
        """Take the file away: a worker that has ended holds nothing."""
        self._path.unlink(missing_ok=True)
        self._file.close()


def _holder(exchange: RequestTrace) -> dict[str, Any]:
    return {
        "request_id": exchange.request_id,
        "method": exchange.method,
        "path": exchange.path.decode("latin-1"),
        "held_seconds": round(exchange.held_seconds, 6),
    }


def _read(path: Path) -> Slots | None:
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None  # nobody's any more
            except BlockingIOError:
                content = file.read()
        part: Slots = json.loads(content[8 : 8 + int(content[:8])])
        return part
    except (FileNotFoundError, ValueError):  # it ended, or is just being written
        return None
