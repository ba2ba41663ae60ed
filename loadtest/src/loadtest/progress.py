"""One JSON line a second on standard output, for whoever drives a headless run."""

import json
import sys
from pathlib import Path
from typing import TextIO

from lab.run_document import SeriesPoint
from loadtest.document_builder import rate
from loadtest.locust_stats import Counts


class Progress:
    """Writes the lines; `enabled` is LAB_PROGRESS."""

    def __init__(self, *, enabled: bool, stream: TextIO | None = None) -> None:
        self._enabled = enabled
        self._stream = stream or sys.stdout

    def second(self, point: SeriesPoint, counts: Counts, of_seconds: float | None, seconds: float) -> None:
        """Say how the run stands: totals so far, rate and response times of the last `seconds`."""
        self._line(
            {
                "t_seconds": point.t_seconds,
                "of_seconds": of_seconds,
                "users": point.users,
                "requests": counts.requests,
                "failures": counts.failures,
                "rps": round(rate(point.requests, seconds), 1),
                "p50_ms": point.p50_ms,
                "p99_ms": point.p99_ms,
                "pool_active": point.pool_active,
                "pool_waiting": point.pool_waiting,
            }
        )

    def saved(self, run_id: str, document: Path) -> None:
        """Say where the run is to be found: the last line."""
        self._line({"run_id": run_id, "document": str(document)})

    def _line(self, words: dict[str, object]) -> None:
        if self._enabled:
            self._stream.write(json.dumps(words) + "\n")
            self._stream.flush()
