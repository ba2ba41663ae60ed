"""The forecast of a workload, and of the same workload with something changed."""

from collections.abc import Callable
from dataclasses import replace

from lab.prediction.closed_load import closed_load
from lab.prediction.forecast import Forecast
from lab.prediction.open_load import open_load
from lab.prediction.workload import Workload


def predict(work: Workload) -> Forecast:
    """Return what to expect of a workload in its steady window."""
    found = closed_load(work) if work.arrivals_per_second is None else open_load(work, work.arrivals_per_second)
    succeeded = 1 - work.error_share
    return found.model_copy(
        update={
            "throughput_rps": found.throughput_rps * succeeded,
            "failed_share": found.timed_out_share + (1 - found.timed_out_share) * work.error_share,
        }
    )


def fewest_connections(work: Workload, holds: Callable[[Forecast], bool], most: int) -> tuple[int, Forecast] | None:
    """Return the fewest connections with which an objective holds, by bisection up to `most`; None if it never does.

    The objective must be one that more connections do not break.
    """
    low, high = 0, most
    found = predict(replace(work, connections=most))
    if not holds(found):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        tried = predict(replace(work, connections=middle))
        if holds(tried):
            high, found = middle, tried
        else:
            low = middle
    return high, found
