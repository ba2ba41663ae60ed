"""The forecast of a workload, closed or open."""

from lab.prediction.closed_load import closed_load
from lab.prediction.open_load import open_load
from lab.prediction.workload import Forecast, Workload


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
