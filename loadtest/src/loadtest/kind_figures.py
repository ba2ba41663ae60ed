"""The figures of each kind of user, from what Locust and the users counted. Pure."""

from lab.run_document import KindFigures
from lab.wire.mock import RunExecutions
from lab.witnesses import Arrivals, Executions
from loadtest.locust_stats import Counts


def kinds_of(counts: Counts, seconds: float) -> list[KindFigures]:
    """Return a row for each kind of user; none where there is only the default one."""
    return [
        KindFigures(
            kind=name,
            requests=row.requests,
            failures=row.failures,
            rps=round(row.requests / seconds, 3) if seconds > 0 else 0.0,
            latency_ms=row.latency(),
            arrivals=_arrivals(row),
            left=row.events.get("left"),
        )
        for name, row in sorted(counts.rows.items())
    ]


def arrivals_of(counts: Counts) -> Arrivals | None:
    """Return the arrivals of all open kinds together; None without any."""
    each = [found for row in counts.rows.values() if (found := _arrivals(row)) is not None]
    if not each:
        return None
    sums = {name: sum(getattr(one, name) for one in each) for name in Arrivals.model_fields}
    return Arrivals(**sums)


def executions_of(found: RunExecutions | None) -> Executions | None:
    """Return how often the upstream executed what had an idempotency key; None if nothing had one."""
    if found is None or not found.ids:
        return None
    once = found.times.get("1", 0)
    return Executions(keys=found.ids, executions=found.executions, more_than_once=found.ids - once)


def _arrivals(row: Counts) -> Arrivals | None:
    if "scheduled" not in row.events:
        return None
    return Arrivals(**{name: row.events.get(name, 0) for name in Arrivals.model_fields})
