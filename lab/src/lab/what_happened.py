"""What to know before the figures of a run: that it was cut short, which service was silent, what changed. Pure."""

from collections.abc import Iterator

from lab.run_document import RunDocument
from lab.run_settings import parts_of
from lab.wording import changed_words

_NAMES = ("load generator", "proxy", "link", "mock upstream")
_LEAST_WAITING, _MOST_BUSY = 1.0, 0.9
"""From so many requests waiting on average on, while so much of the pool was busy at most."""


def what_happened(run: RunDocument) -> list[str]:
    """Return a sentence for each thing; none for a run as it was meant to be."""
    return [*_ended(run), *_silent(run), *_changed(run), *(f"{note[:1].upper()}{note[1:]}." for note in run.notes)]


def pool_contradiction(run: RunDocument) -> str:
    """Explain why requests waited for a pool that had connections left; empty if they did not."""
    pool = run.pool
    if pool is None or pool.active_are != "connections" or pool.active_mean is None or not pool.max:
        return ""
    if (pool.waiting_mean or 0.0) < _LEAST_WAITING or pool.active_mean > _MOST_BUSY * pool.max:
        return ""
    reason = {
        "cpu": "the event loop that hands them out had no CPU left for it",
        "machine": "the event loop that hands them out had no CPU left for it",
        "loop": "the event loop that hands them out was blocked meanwhile",
        "connect": "each of them had to be opened first",
    }.get(run.verdict.bottleneck, "on average; at times all were taken, or still being opened")
    return f"Requests waited for a connection although the pool had some left: {reason}."


def _ended(run: RunDocument) -> Iterator[str]:
    seconds = (run.stopped_at - run.started_at).total_seconds()
    asked = (run.settings.start.load or {}).get("LOCUST_RUN_TIME")
    if run.status == "interrupted":
        of = f" of {asked}" if asked else ""
        yield f"The run was interrupted after {seconds:.0f} s{of}. What was measured until then is here."
    if run.status == "reset":
        yield "Locust's statistics were reset during the run. Requests from before are counted, too."


def _silent(run: RunDocument) -> Iterator[str]:
    """Yield the services that did not answer at an end of the run, or at both."""
    ends = zip(_NAMES, parts_of(run.settings.start), parts_of(run.settings.end), strict=True)
    for name, start, end in ends:
        if start is not None and end is None:
            yield f"The {name} answered when the run began, and no longer when it ended: its figures are missing."
        elif start is None and end is not None:
            yield f"The {name} did not answer when the run began: its figures are missing."
        elif start is None and name != "load generator":
            yield f"The {name} did not answer: its settings and figures are missing."


def _changed(run: RunDocument) -> Iterator[str]:
    if changed := changed_words(run.settings):
        yield f"Changed during the run: {changed}."
