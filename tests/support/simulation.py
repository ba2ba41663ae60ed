"""The sandbox in virtual time, request by request: what predictions are checked against."""

import math
import random
import statistics
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import simpy

from lab.prediction.workload import ServiceTime, Workload

_MIDDLES = [*((k + 0.5) / 100 for k in range(98)), *(0.98 + (k + 0.5) / 1000 for k in range(20))]


@dataclass(frozen=True)
class DrawnTime(ServiceTime):
    """A service time with the quantile function that it is drawn by."""

    quantile: Callable[[float], float]

    @classmethod
    def of(cls, mean: float, scv: float, quantile: Callable[[float], float]) -> "DrawnTime":
        strata = tuple((0.01 if u < 0.98 else 0.001, quantile(u)) for u in _MIDDLES)
        return cls(mean, scv, strata, quantile)


def constant(seconds: float) -> DrawnTime:
    return DrawnTime.of(seconds, 0.0, lambda _: seconds)


def exponential(mean: float) -> DrawnTime:
    return DrawnTime.of(mean, 1.0, lambda u: -mean * math.log1p(-u))


def lognormal(median: float, p99: float) -> DrawnTime:
    normal = statistics.NormalDist()
    sigma = math.log(p99 / median) / normal.inv_cdf(0.99)
    spread = math.exp(sigma**2)
    return DrawnTime.of(
        median * math.sqrt(spread), spread - 1, lambda u: median * math.exp(sigma * normal.inv_cdf(u or 1e-16))
    )


@dataclass
class Simulated:
    """Requests that ended after the warm-up, in seconds."""

    seconds: float
    waits: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    timed_out: int = 0

    @property
    def throughput(self) -> float:
        return len(self.took) / self.seconds

    @property
    def mean_wait_ms(self) -> float:
        return statistics.fmean(self.waits) * 1e3

    @property
    def timed_out_share(self) -> float:
        return self.timed_out / len(self.waits)

    @property
    def wait_p99_ms(self) -> float:
        return sorted(self.waits)[int(0.99 * len(self.waits))] * 1e3

    @property
    def took_p99_ms(self) -> float:
        return sorted(self.took)[int(0.99 * len(self.took))] * 1e3


@contextmanager
def untraced() -> Iterator[None]:
    """Measure no coverage: a simulation runs few lines of ours, if any, and would take three times as long."""
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(trace)


def simulate(work: Workload, *, seconds: float, seed: int = 1) -> Simulated:
    """Run a workload whose `work` is a DrawnTime. A tenth of the time is the warm-up."""
    assert isinstance(work.work, DrawnTime)
    quantile = work.work.quantile
    drawn = random.Random(seed)
    world = simpy.Environment()
    cpus = [simpy.Resource(world) for _ in range(work.workers)]
    pools = [simpy.Resource(world, work.connections) for _ in range(work.workers)]
    admissions = [simpy.Resource(world, work.max_in_flight or 10**6) for _ in range(work.workers)]
    upstream = simpy.Resource(world, work.capacity or 10**6)
    generator = simpy.Resource(world, work.generator_processes)
    found = Simulated(0.9 * seconds)

    def use(resource: simpy.Resource, took: float) -> Generator[Any, Any, None]:
        with resource.request() as turn:
            yield turn
            yield world.timeout(took)

    def request(worker: int) -> Generator[Any, Any, None]:
        began = world.now
        with admissions[worker].request() as turn:
            yield turn
            answered = yield from admitted(worker)
        if answered and world.now > 0.1 * seconds:
            found.took.append(world.now - began)

    def admitted(worker: int) -> Generator[Any, Any, bool]:
        yield from use(cpus[worker], work.cpu_before_pool * work.cpu_seconds)
        asked = world.now
        with pools[worker].request() as place:
            yield place | world.timeout(min(work.pool_timeout_seconds, 10 * seconds))
            counts = world.now > 0.1 * seconds
            if counts:
                found.waits.append(world.now - asked)
            if not place.triggered:
                found.timed_out += counts
                return False
            yield from use(cpus[worker], (1 - work.cpu_before_pool) * work.cpu_seconds)
            yield world.timeout(work.travel_seconds)
            yield from use(upstream, quantile(drawn.random()))
        return True

    def user(number: int) -> Generator[Any, Any, None]:
        while True:
            yield from use(generator, work.generator_cpu_seconds)
            yield from request(number % work.workers)
            yield world.timeout(work.think_seconds)

    def arrivals(rate: float) -> Generator[Any, Any, None]:
        number = 0
        while True:
            yield world.timeout(drawn.expovariate(rate) if work.arrivals_scv else 1 / rate)
            number += 1
            world.process(request(number % work.workers))

    if work.arrivals_per_second is None:
        for number in range(work.users):
            world.process(user(number))
    else:
        world.process(arrivals(work.arrivals_per_second))
    with untraced():
        world.run(until=seconds)
    return found
