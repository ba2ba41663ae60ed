"""A run that is being recorded: what it began with, and what is added second by second."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from lab.run_document import SeriesPoint
from loadtest.locust_stats import Counts
from loadtest.service_snapshots import Answer, Snapshot, Surroundings, number, section

MESSAGE_SECONDS = 2.0
"""Longest believable way of a message from a master to its workers."""


@dataclass
class OpenRun:
    """The one run that is under way. Times named `_at` without a zone are monotonic seconds."""

    id: str
    label: str
    mode: Literal["ui", "headless"]
    users: int
    load_settings: Mapping[str, Any]
    of_seconds: float | None
    surroundings: Surroundings
    before: Snapshot
    status: Literal["finished", "interrupted", "reset"] = "finished"
    stopping: bool = False
    carried: Counts = field(default_factory=Counts)
    latest: Counts = field(default_factory=Counts)
    series: list[SeriesPoint] = field(default_factory=list)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    began_at: float = field(default_factory=time.monotonic)
    _pool_at: tuple[float, Answer | None] = (0.0, None)

    def count(self, since_reset: Counts) -> Counts:
        """Return all requests so far: those before Locust's statistics were reset, and those since."""
        return self.carried + since_reset

    def reset(self, until_now: Counts) -> None:
        """Locust is about to forget its statistics: keep them, so that the run stays whole."""
        self.carried = self.carried + until_now
        self.status = "reset"

    def begin_at(self, epoch_seconds: float | None) -> None:
        """Move the beginning to where the first worker started its users, a little after the master's `test_start`."""
        late = 0.0 if epoch_seconds is None else epoch_seconds - self.started_at.timestamp()
        if 0.0 < late < MESSAGE_SECONDS:  # else the two machines' clocks differ
            self.started_at += timedelta(seconds=late)
            self.began_at += late

    def elapsed(self) -> float:
        """Return seconds since the first users were started."""
        return time.monotonic() - self.began_at

    def window_seconds(self, counts: Counts) -> float:
        """Return the time from the first request to the last answer (by the clock of the process that got it)."""
        if counts.last_at is None:
            return self.elapsed()
        return min(max(counts.last_at - self.started_at.timestamp(), 0.001), self.elapsed())

    def add_second(self, counts: Counts, users: int, pool: Answer | None, t_seconds: float) -> SeriesPoint:
        """Append what happened since the last point, with the pool as it is now."""
        now = time.monotonic()
        figures = pool or {}
        point = SeriesPoint(
            t_seconds=round(t_seconds, 2),
            users=users,
            requests=counts.requests - self.latest.requests,
            failures=counts.failures - self.latest.failures,
            p50_ms=counts.percentile_since(self.latest, 0.50),
            p99_ms=counts.percentile_since(self.latest, 0.99),
            pool_active=_gauge(figures, "active"),
            pool_idle=_gauge(figures, "idle"),
            pool_waiting=_gauge(figures, "waiting"),
            proxy_cpu_cores=self._proxy_cores(now, pool),
        )
        self.series.append(point)
        self.latest = counts
        self._pool_at = (now, pool)
        return point

    def _proxy_cores(self, now: float, pool: Answer | None) -> float | None:
        then, earlier = self._pool_at if self._pool_at[1] is not None else (self.before.at, self.before.pool)
        if pool is None or earlier is None or now - then < 0.2:
            return None
        used = number(section(pool, "process"), "cpu_seconds") - number(section(earlier, "process"), "cpu_seconds")
        return round(used / (now - then), 3) if used >= 0 else None


def _gauge(figures: Answer, name: str) -> int | None:
    return None if figures.get(name) is None else int(number(figures, name))
