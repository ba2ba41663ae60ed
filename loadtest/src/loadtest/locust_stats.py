"""What Locust counted: a value that is copied out of its statistics, added and compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self, TypeVar

from lab.run_document import LatencyMs
from loadtest.kind_counts import by_row
from service_kit.histogram import difference, percentile

if TYPE_CHECKING:  # importing Locust patches the whole process: the pure parts do without
    from locust.stats import RequestStats, StatsEntry

_Key = TypeVar("_Key")


def three_digits(response_time: int | float) -> float:
    """Round milliseconds to three significant digits: 14.72 becomes 14.7, and 3432 becomes 3430.

    Locust's own keeps two, so that a p99 of "130" means 125 to 135. At most some 5600 keys up to 100 s.
    """
    if response_time < 10:
        return round(response_time, 2)
    if response_time < 100:
        return round(response_time, 1)
    if response_time < 1000:
        return round(response_time)
    if response_time < 10_000:
        return round(response_time / 10) * 10
    return round(response_time / 100) * 100


@dataclass(frozen=True)
class Counts:
    """Requests of a run so far. Times are in ms, `last_at` is the epoch second of the last answer.

    `rows`: those of each kind of user, where there is another than the default; `events`: what they counted beside.
    """

    requests: int = 0
    failures: int = 0
    total_ms: float = 0.0
    max_ms: float = 0.0
    last_at: float | None = None
    response_times: Mapping[float, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    first_bytes: Mapping[float, int] = field(default_factory=dict)
    events: Mapping[str, int] = field(default_factory=dict)
    rows: Mapping[str, "Counts"] = field(default_factory=dict)

    @classmethod
    def of(
        cls, stats: "RequestStats", first_bytes: Mapping[float, int], kind_counts: Mapping[str, int] | None = None
    ) -> Self:
        errors: dict[str, int] = {}
        for error in list(stats.errors.values()):
            name = str(error.error)
            errors[name] = errors.get(name, 0) + error.occurrences
        rows = {row: cls(events=events) for row, events in by_row(kind_counts or {}).items()}
        for (name, _), entry in list(stats.entries.items()):
            if row := name.partition(" ")[2]:
                rows[row] = rows.get(row, cls()) + cls._of_entry(entry)
        return replace(cls._of_entry(stats.total), errors=errors, first_bytes=dict(first_bytes), rows=rows)

    @classmethod
    def _of_entry(cls, entry: "StatsEntry") -> Self:
        return cls(
            requests=entry.num_requests,
            failures=entry.num_failures,
            total_ms=float(entry.total_response_time),
            max_ms=float(entry.max_response_time),
            last_at=entry.last_request_timestamp,
            response_times={float(key): count for key, count in entry.response_times.items()},
        )

    def __add__(self, other: "Counts") -> Self:
        return type(self)(
            requests=self.requests + other.requests,
            failures=self.failures + other.failures,
            total_ms=self.total_ms + other.total_ms,
            max_ms=max(self.max_ms, other.max_ms),
            last_at=max((at for at in (self.last_at, other.last_at) if at is not None), default=None),
            response_times=_sum(self.response_times, other.response_times),
            first_bytes=_sum(self.first_bytes, other.first_bytes),
            errors=_sum(self.errors, other.errors),
            events=_sum(self.events, other.events),
            rows={row: self.row(row) + other.row(row) for row in {**self.rows, **other.rows}},
        )

    def row(self, name: str) -> "Counts":
        return self.rows.get(name, Counts())

    def percentile_since(self, earlier: "Counts", fraction: float) -> float | None:
        """Return the response time below which that fraction of the requests since `earlier` lie."""
        try:
            return percentile(difference(self.response_times, earlier.response_times), fraction)
        except ValueError:  # Locust's statistics were reset in between
            return None

    def since(self, earlier: "Counts") -> "Counts":
        """Return what was added. The maximum is that of the response times, which are rounded."""
        added = difference(self.response_times, earlier.response_times)
        return Counts(
            requests=self.requests - earlier.requests,
            failures=self.failures - earlier.failures,
            total_ms=self.total_ms - earlier.total_ms,
            max_ms=max(added, default=0.0),
            last_at=self.last_at,
            response_times=added,
            first_bytes=difference(self.first_bytes, earlier.first_bytes),
            errors={kind: more for kind, count in self.errors.items() if (more := count - earlier.errors.get(kind, 0))},
            events={name: count - earlier.events.get(name, 0) for name, count in self.events.items()},
            rows={name: row.since(earlier.row(name)) for name, row in self.rows.items()},
        )

    def latency(self) -> LatencyMs:
        """Return the distribution of response times; all null if there was none."""
        timed = sum(self.response_times.values())
        return _latency(self.response_times, self.total_ms / timed, self.max_ms) if timed else LatencyMs()

    def first_byte(self) -> LatencyMs | None:
        """Return when the first byte of an answer came; None without any."""
        times = self.first_bytes
        count = sum(times.values())
        return _latency(times, sum(ms * each for ms, each in times.items()) / count, max(times)) if count else None


def _latency(times: Mapping[float, int], mean_ms: float, max_ms: float) -> LatencyMs:
    return LatencyMs(
        mean=round(mean_ms, 3),
        p50=percentile(times, 0.50),
        p90=percentile(times, 0.90),
        p95=percentile(times, 0.95),
        p99=percentile(times, 0.99),
        max=round(max_ms, 3),
        histogram=dict(sorted(times.items())),
    )


def _sum(left: Mapping[_Key, int], right: Mapping[_Key, int]) -> dict[_Key, int]:
    return {key: left.get(key, 0) + right.get(key, 0) for key in {**left, **right}}
