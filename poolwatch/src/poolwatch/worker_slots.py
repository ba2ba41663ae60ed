"""The longest-held connections of all workers.

With several workers each writes its own down twice a second, for whichever worker is asked.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from poolwatch.leaks import SHOWN, holders
from poolwatch.monitor import Monitor

CONNECTIONS_SHOWN: Final = 100
Slots = dict[str, Any]


def slots(monitor: Monitor, connections: list[dict[str, object]] | None) -> Slots:
    """Return what this worker holds: {"worker", "holders", "connections"}, the longest held first."""
    return {
        "worker": os.getpid(),
        "holders": holders(monitor),
        "connections": None if connections is None else connections[:CONNECTIONS_SHOWN],
    }


def merged(parts: Iterable[Slots]) -> Slots:
    """Return the slots of all workers as `/-/pool` shows them. Pure."""
    parts = list(parts)
    longest = [{"worker": part["worker"]} | holder for part in parts for holder in part["holders"]]
    known = [part for part in parts if part["connections"] is not None]
    connections = [{"worker": part["worker"]} | each for part in known for each in part["connections"]]
    return {
        "holders": sorted(longest, key=lambda holder: holder["held_seconds"], reverse=True)[:SHOWN],
        "connections": connections if known else None,
    }


class SlotsFile:
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


def _read(path: Path) -> Slots | None:
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None  # its worker has ended
            except BlockingIOError:
                content = file.read()
        part: Slots = json.loads(content[8 : 8 + int(content[:8])])
        return part
    except (FileNotFoundError, ValueError):  # it ended, or is just being written
        return None
