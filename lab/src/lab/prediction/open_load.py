"""What an open load shows: arrivals at a rate, whatever became of the requests before them.

Each worker is M/G/c whose servers are the pool's connections, or the upstream's servers where these are fewer.
"""

import math

from lab.prediction.open_queue import OpenQueue
from lab.prediction.workload import Forecast, Workload, plus_work, quantile_seconds


def open_load(work: Workload, arrivals_per_second: float) -> Forecast:
    """Return the forecast; the arrivals are spread evenly over the workers."""
    arrivals = arrivals_per_second / work.workers
    cpu = arrivals * work.cpu_seconds
    mean = work.work.mean_seconds
    hold = work.travel_seconds + work.link_seconds + mean + (work.cpu_seconds / (1 - cpu) if cpu < 1 else math.inf)
    capacity = math.inf if work.capacity is None else work.capacity / work.workers
    served = min(work.connections / (hold if cpu < 1 else mean), capacity / mean, 1 / work.cpu_seconds)
    if arrivals >= served:
        return _overloaded(work, arrivals_per_second, served * work.workers)
    if capacity / mean < work.connections / hold:
        # of those who wait for the upstream, only the ones beyond the pool's connections wait in the pool
        queue = OpenQueue(arrivals, mean, max(int(capacity), 1), work.work.scv, work.arrivals_scv)
        beyond = queue.utilisation ** max(work.connections - queue.count, 0)
    else:
        scv = work.work.scv * (mean / hold) ** 2
        queue, beyond = OpenQueue(arrivals, hold, work.connections, scv, work.arrivals_scv), 1.0
    took = plus_work(queue.waits_longer, work.work, hold - mean)
    patience = work.pool_timeout_seconds
    given_up = beyond * queue.waits_longer(patience) if math.isfinite(patience) else 0.0
    wait = queue.mean_wait_seconds
    return Forecast(
        throughput_rps=arrivals_per_second * (1 - given_up),
        latency_mean_ms=(wait + hold) * 1e3,
        latency_p99_ms=quantile_seconds(took, 0.99) * 1e3,
        latency_p50_ms=quantile_seconds(took, 0.5) * 1e3,
        latency_p90_ms=quantile_seconds(took, 0.9) * 1e3,
        latency_p95_ms=quantile_seconds(took, 0.95) * 1e3,
        pool_wait_mean_ms=wait * beyond * 1e3,
        pool_wait_p99_ms=min(quantile_seconds(lambda t: beyond * queue.waits_longer(t), 0.99), patience) * 1e3,
        pool_utilisation=min(arrivals * (hold + wait * (1 - beyond)) / work.connections, 1.0),
        cpu_utilisation=cpu,
        generator_utilisation=min(arrivals_per_second * work.generator_cpu_seconds / work.generator_processes, 1.0),
        timed_out_share=given_up,
    )


def _overloaded(work: Workload, arrivals_per_second: float, served: float) -> Forecast:
    """More arrives than can be served: the queue grows until the pool time-out turns the rest away."""
    patience_ms = work.pool_timeout_seconds * 1e3
    return Forecast(
        throughput_rps=served,
        latency_mean_ms=patience_ms
        + served / arrivals_per_second * (work.travel_seconds + work.work.mean_seconds) * 1e3,
        latency_p99_ms=patience_ms + max(seconds for _, seconds in work.work.strata) * 1e3,
        pool_wait_mean_ms=patience_ms,
        pool_wait_p99_ms=patience_ms,
        pool_utilisation=1.0,
        cpu_utilisation=min(arrivals_per_second * work.cpu_seconds / work.workers, 1.0),
        generator_utilisation=min(arrivals_per_second * work.generator_cpu_seconds / work.generator_processes, 1.0),
        timed_out_share=1 - served / arrivals_per_second,
    )
