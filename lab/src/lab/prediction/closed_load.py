"""What a closed load shows: users who send their next request when the last one is answered.

One worker of the proxy is a network within a network. Within: the requests that hold a connection, as many as the pool
has at most; they are on the way, wait for the proxy's CPU and are worked on by it, wait for the upstream and are worked
on there. This part is solved by itself at each population, and is in the outer network, beside the load generator's CPU
and the proxy's work before the pool, one station with that throughput (see `closed_network`).

The proxy's CPU is in both, and one core. Each part of it is slowed down by the utilisation of the other, until
throughput and utilisation agree: K. Sevcik's shadow server (Priority Scheduling Disciplines in Queuing Network Models
of Computer Systems, IFIP Congress 1977), both ways.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lab.prediction.closed_network import Station, one_station, servers, throughputs
from lab.prediction.wait_tail import Bunches, Departures
from lab.prediction.workload import Forecast, Longer, Workload, plus_work, quantile_seconds

_PRECISION = 1e-3
_IDLE = 0.02
"""A CPU that is less utilised than this slows nothing down."""


@dataclass(frozen=True)
class _Worker:
    """One worker's share of the load: requests per second, and seconds in the mean or as a tail of all its requests."""

    answered: float
    finished: float
    wait: float
    waits: Longer
    took: Longer
    held: float


def closed_load(work: Workload) -> Forecast:
    """Return the forecast; the users are spread evenly over the workers."""
    fewer, one_more = divmod(work.users, work.workers)
    parts = [(fewer + 1, one_more), (fewer, work.workers - one_more)]
    found = [(_worker(work, users), count) for users, count in parts if users and count]
    answered = math.fsum(one.answered * count for one, count in found)
    finished = math.fsum(one.finished * count for one, count in found)
    wait_p99 = max(quantile_seconds(one.waits, 0.99) for one, _ in found)
    return Forecast(
        throughput_rps=answered,
        latency_mean_ms=(work.users / finished - work.think_seconds) * 1e3,  # Little's law
        latency_p99_ms=_slowest(found, 0.99),
        latency_p50_ms=_slowest(found, 0.5),
        latency_p90_ms=_slowest(found, 0.9),
        latency_p95_ms=_slowest(found, 0.95),
        pool_wait_mean_ms=math.fsum(one.wait * one.finished * count for one, count in found) / finished * 1e3,
        pool_wait_p99_ms=min(wait_p99, work.pool_timeout_seconds) * 1e3,
        pool_utilisation=math.fsum(one.held * count for one, count in found) / (work.connections * work.workers),
        cpu_utilisation=min(finished * work.cpu_seconds / work.workers, 1.0),
        generator_utilisation=min(finished * work.generator_cpu_seconds / work.generator_processes, 1.0),
        timed_out_share=1 - answered / finished,
    )


def _slowest(found: Sequence[tuple[_Worker, int]], share: float) -> float:
    """Return the milliseconds that a share of the requests does not exceed, of the workers with the most users."""
    return max(quantile_seconds(one.took, share) for one, _ in found) * 1e3


def _worker(work: Workload, users: int) -> _Worker:
    admitted = min(users, work.max_in_flight or users)
    places = min(work.connections, admitted)
    solved, full = _balanced(work, users, places)
    # in balance so many per second leave the queue, served or by their patience's end (Little's law)
    leaving = (admitted - places) / work.pool_timeout_seconds
    if leaving > full:
        return _impatient(work, full, leaving, places)
    waiting = math.fsum(max(min(k, admitted) - places, 0) * share for k, share in enumerate(solved.holds))
    held = math.fsum(min(k, places) * share for k, share in enumerate(solved.holds))
    wait = waiting / solved.throughput
    if work.bunched and admitted > places:
        spacing = max(work.cpu_seconds, work.generator_cpu_seconds)
        waits: Longer = Bunches(admitted, places, places / full, spacing).longer
    else:
        finds = (*solved.finds[: admitted - 1], math.fsum(solved.finds[admitted - 1 :]))  # the rest is not admitted yet
        waits = Departures(finds, places, full, work.work.scv).longer
    rest = users / solved.throughput - work.think_seconds - wait - work.work.mean_seconds
    return _Worker(solved.throughput, solved.throughput, wait, waits, plus_work(waits, work.work, rest), held)


def _balanced(work: Workload, users: int, places: int) -> tuple[Station, float]:
    """Return the pool in balance, and the most requests per second that pass it."""
    low, high = 0.0, _solved(work, users, places, 0.0)[0].throughput
    if high * work.cpu_seconds < _IDLE:
        return _solved(work, users, places, high)
    high = min(high, (1 - _PRECISION) / work.cpu_seconds)
    while high - low > _PRECISION * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _solved(work, users, places, middle)[0].throughput > middle else (low, middle)
    return _solved(work, users, places, low)


def _solved(work: Workload, users: int, places: int, assumed_rps: float) -> tuple[Station, float]:
    """Solve the networks with the CPU as busy as at that throughput.

    Several generator processes are a quicker one and a delay: A. Seidmann, P. Schweitzer, S. Shalev-Oren, Computerized
    Closed Queueing Network Models of Flexible Manufacturing Systems, Large Scale Systems 12, 1987.
    """
    before = work.cpu_before_pool * work.cpu_seconds
    holding = work.cpu_seconds - before
    within = _throughputs_within(work, places, holding / (1 - assumed_rps * before))
    generator = work.generator_cpu_seconds / max(work.generator_processes / work.workers, 1.0)
    queues = [generator, before / (1 - assumed_rps * holding)]
    delay = work.think_seconds + work.generator_cpu_seconds - generator
    solved = one_station(users, delay, queues, lambda k: within[min(k, places)])
    return solved, within[places]


def _throughputs_within(work: Workload, places: int, cpu_seconds: float) -> list[float]:
    """Return the throughput of the requests that hold a connection, for 0 to `places` of them.

    Where a bunch of requests shares the CPU in turns, none of it is done before the last. Measured with an upstream of
    200 ms: 50 requests of httpx that each open a connection, at 2.3 ms of CPU, hold it for 315 ms.
    """
    delay, queues = work.travel_seconds, [cpu_seconds, work.link_seconds * work.workers]
    if work.cpu_in_turns and work.bunched:
        delay, queues = delay + places * work.cpu_seconds, queues[1:]
    if work.capacity is None:
        return throughputs(places, delay + work.work.mean_seconds, queues, [])
    return throughputs(places, delay, queues, [servers(work.capacity / work.workers, work.work.mean_seconds)])


def _impatient(work: Workload, answered: float, leaving: float, places: int) -> _Worker:
    """More wait than can be served within their patience: all wait that long, and some give up."""
    patience, given_up = work.pool_timeout_seconds, 1 - answered / leaving
    hold = places / answered

    def waits(seconds: float) -> float:
        return float(seconds < patience)

    served = plus_work(waits, work.work, hold - work.work.mean_seconds)
    return _Worker(
        answered=answered,
        finished=leaving,
        wait=patience,
        waits=waits,
        took=lambda seconds: (1 - given_up) * served(seconds) + given_up * waits(seconds),
        held=places,
    )
