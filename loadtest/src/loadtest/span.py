"""The part of a run that its figures are of: all counters at its beginning and at its end. Pure."""

from dataclasses import dataclass, replace

from lab.account.window import Window, window
from loadtest.locust_stats import Counts
from loadtest.snapshot import Snapshot


@dataclass(frozen=True)
class Moment:
    """All counters at one moment, `seconds` after the run began.

    `generator_cpu_seconds` is of all processes that make the load, since the run began; None: not known.
    """

    seconds: float
    snapshot: Snapshot
    counts: Counts
    generator_cpu_seconds: float | None = None


@dataclass(frozen=True)
class Span:
    """What happened between two moments; `counts` are of the time between them."""

    window: Window
    before: Snapshot
    after: Snapshot
    counts: Counts
    generator_cpu_cores: float | None

    @property
    def seconds(self) -> float:
        return self.window.seconds


def steady_span(whole: Span, spawned: Moment | None, stopped: Moment | None) -> Span:
    """Return the steady part of a run, from the last user's start to the stop; the whole of a run that has none."""
    counts = stopped.counts.since(spawned.counts) if spawned and stopped else Counts()
    begin, end = (None if moment is None else moment.seconds for moment in (spawned, stopped))
    chosen = window(begin, end, counts.requests, whole.window.end_seconds)
    if not chosen.steady or spawned is None or stopped is None:
        return replace(whole, window=chosen)
    if late := _silent(whole, spawned, stopped):
        because = f"the {' and '.join(late)} did not answer when it began or ended"
        return replace(whole, window=whole.window.model_copy(update={"because": because}))
    return Span(chosen, spawned.snapshot, stopped.snapshot, counts, cores_between(spawned, stopped))


def _silent(whole: Span, *moments: Moment) -> list[str]:
    """Return the services that answered before and after the run, and not at one of these moments of it."""
    missing = {name for moment in moments for name in moment.snapshot.silent_since(whole.before)}
    return [name for name in whole.after.processes if name in missing]


def cores_between(first: Moment, last: Moment) -> float | None:
    """Return the mean cores that made the load between two moments; None if that is not known."""
    if first.generator_cpu_seconds is None or last.generator_cpu_seconds is None or last.seconds <= first.seconds:
        return None
    return round((last.generator_cpu_seconds - first.generator_cpu_seconds) / (last.seconds - first.seconds), 3)
