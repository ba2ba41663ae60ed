"""Capacity and latency together are the queue that theory knows: in virtual time exactly, live nearly."""

import heapq
import itertools
import random
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

import httpx
import pytest

from support.mock_upstream import Say, StartProcess
from support.open_load import Asked, open_load
from support.queueing import REPLICATIONS, Queue, Z, interval
from support.simulation import untraced
from support.virtual_time import VirtualLoop
from upstream_mock.capacity import Capacity, QueueFullError
from upstream_mock.client import Client
from upstream_mock.latency.distribution import LatencySampler
from upstream_mock.latency.parse import parse_latency

pytestmark = pytest.mark.slow

CUSTOMERS, WARM_UP = 4000, 500


@dataclass
class Seen:
    """What customers met, in seconds; a refused one has no wait."""

    waits: list[float]
    refused: int

    @property
    def mean(self) -> float:
        """Of those let in."""
        return statistics.fmean(self.waits)

    @property
    def waited(self) -> float:
        """The share of them that had to wait."""
        return sum(wait > 0 for wait in self.waits) / len(self.waits)


def poisson(rate: float, count: int, seed: int) -> list[float]:
    """Times at which customers come, independent of one another."""
    draw = random.Random(f"arrivals {seed}")
    return list(itertools.accumulate(draw.expovariate(rate) for _ in range(count)))


def simulate(times: list[float], capacity: Capacity, latency: LatencySampler, warm_up: int = 0) -> Seen:
    """The mock's own Capacity and Latency under these arrivals, in virtual time; the first `warm_up` do not count."""
    loop, seen = VirtualLoop(), Seen([], 0)  # type: ignore[abstract] # has what is used of it

    async def customer(number: int) -> None:
        drawn, came = latency.draw(), loop.time()
        try:
            assert await capacity.enter(Client())
        except QueueFullError:
            seen.refused += number >= warm_up
            return
        if number >= warm_up:
            seen.waits.append(loop.time() - came)
        await loop.sleep(drawn)
        capacity.leave()

    async def arrivals() -> None:
        for number, at in enumerate(times):
            await loop.sleep(at - loop.time())
            loop.create_task(customer(number))

    with untraced():
        loop.run(arrivals())
    assert (capacity.busy, capacity.waiting) == (0, 0)
    return seen


def replications(queue: Queue, count: int = CUSTOMERS, warm_up: int = WARM_UP) -> list[Seen]:
    """Independent simulations of a queue."""
    text = f"exponential({1e6 / queue.services:g}us)"
    return [
        simulate(
            poisson(queue.arrivals, count + warm_up, seed),
            Capacity(queue.servers, queue.room),
            LatencySampler(parse_latency(text), seed),
            warm_up,
        )
        for seed in range(REPLICATIONS)
    ]


@pytest.mark.parametrize("servers", [1, 3, 20])
def test_every_single_wait_is_the_one_of_first_come_first_served(servers: int) -> None:
    """Whoever comes gets the server that is free first (J. Kiefer, J. Wolfowitz 1955): no wait differs."""
    times, text = poisson(0.9 * servers * 10, 5000, seed=3), "lognormal(60ms, p99=700ms)"
    draws = LatencySampler(parse_latency(text), 3)
    free, expected = [0.0] * servers, []
    for at in times:
        begins = max(at, heapq.heappop(free))
        expected.append(begins - at)
        heapq.heappush(free, begins + draws.draw())
    seen = simulate(times, Capacity(servers), LatencySampler(parse_latency(text), 3))
    # In order of beginning, which is that of coming.
    assert seen.waits == pytest.approx(expected, abs=1e-9)
    assert 0.1 < seen.waited < 1


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (1, 0.8), (2, 0.7), (12, 0.8)])
def test_it_is_erlangs_queue(servers: int, load: float, say: Say) -> None:
    """M/M/c: mean wait and probability of waiting within the 99.9 % interval of 20 independent runs."""
    queue = Queue(servers * load * 10, 10, servers)
    seen = replications(queue)
    for name, theory, measured in (
        ("mean wait in services", queue.mean_wait() * 10, [each.mean * 10 for each in seen]),
        ("share that waits", queue.waiting(), [each.waited for each in seen]),
    ):
        mean, half = interval(measured)
        say(f"M/M/{servers} at {load}: {name} {mean:.4f} +- {half:.4f}, theory {theory:.4f}")
        assert abs(mean - theory) <= half
        assert half < 0.25 * theory, "too wide to tell anything"


@pytest.mark.parametrize(("servers", "load", "room"), [(1, 0.9, 4), (4, 1.5, 0), (4, 1.5, 10), (10, 1, 5)])
def test_with_a_bound_it_is_erlangs_too(servers: int, load: float, room: int, say: Say) -> None:
    """M/M/c/K, overload included: share refused, mean wait and share that waits, as for M/M/c."""
    queue = Queue(servers * load * 10, 10, servers, room)
    seen = replications(queue)
    for name, theory, measured in (
        ("share refused", queue.refused(), [each.refused / CUSTOMERS for each in seen]),
        ("mean wait in services", queue.mean_wait() * 10, [each.mean * 10 for each in seen]),
        ("share that waits", queue.waiting(), [each.waited for each in seen]),
    ):
        mean, half = interval(measured)
        say(f"M/M/{servers}/{servers + room} at {load}: {name} {mean:.4f} +- {half:.4f}, theory {theory:.4f}")
        assert abs(mean - theory) <= max(half, 1e-12)
        assert half <= 0.2 * theory, "too wide to tell anything"


def test_theory_agrees_with_itself() -> None:
    """A bound that is never reached is none, and no room is Erlang's B, whose table has 0.1 of 2 at 0.5954 Erlang."""
    free, bound = Queue(16, 5, 4), Queue(16, 5, 4, 400)
    assert bound.mean_wait() == pytest.approx(free.mean_wait())
    assert bound.waiting() == pytest.approx(free.waiting())
    assert Queue(8, 10, 1).mean_wait() == pytest.approx(0.8 / 2)
    assert Queue(0.5954, 1, 2, 0).refused() == pytest.approx(0.1, rel=0.001)


SERVERS, SERVICE_MS = 4, 40


@pytest.mark.timing
@pytest.mark.parametrize(("load", "seconds"), [(0.8, 5), (0.6, 3)])
def test_live_it_is_the_same_queue(load: float, seconds: int, start_process: StartProcess, say: Say) -> None:
    """On real sockets the mean wait is within 25 % of what the same arrivals and services give in virtual time.

    Erlang's mean itself cannot be measured in seconds: that of so short a run varies by half of itself. How much, 20
    runs of this length in virtual time show. Arrivals and services are taken as they really were, so that the result
    does not depend on how late a busy machine made them.
    """
    queue, seed = Queue(load * SERVERS * 1e3 / SERVICE_MS, 1e3 / SERVICE_MS, SERVERS), 11
    count, text = round(seconds * queue.arrivals), f"exponential({SERVICE_MS}ms)"
    times, theory = poisson(queue.arrivals, count, seed), queue.mean_wait() * 1e3
    virtual = simulate(times, Capacity(SERVERS), LatencySampler(parse_latency(text), seed)).mean * 1e3
    luck = Z * statistics.stdev(each.mean for each in replications(queue, count, warm_up=0)) * 1e3
    assert abs(virtual - theory) <= luck
    mock = start_process(UPSTREAM_LATENCY=text, UPSTREAM_CAPACITY=SERVERS, UPSTREAM_SEED=seed)
    mock.line()
    asked = open_load(mock.data, times)
    measured, real = statistics.fmean(each.queue_ms for each in asked), as_it_was(asked) * 1e3
    say(
        f"M/M/{SERVERS} at {load}, {count} requests: mean wait {measured:.2f} ms, in virtual time {real:.2f} ms with "
        f"the arrivals and services as they were, {virtual:.2f} ms as planned, Erlang C {theory:.2f} +- {luck:.2f} ms"
    )
    assert {each.status for each in asked} == {200}
    # The same seed in the order of arrival: each request got the service that was drawn for it.
    draws = LatencySampler(parse_latency(text), seed)
    assert sorted(each.work_ms for each in asked) == pytest.approx(sorted(draws.draw() * 1e3 for _ in times), abs=0.001)
    assert measured == pytest.approx(real, rel=0.25, abs=1)
    stats = httpx.get(f"http://127.0.0.1:{mock.control}/-/stats").json()["capacity"]["waited_ms"]
    assert stats == {"count": count, "sum": pytest.approx(measured * count, rel=0.001)}


def as_it_was(asked: list[Asked]) -> float:
    """The mean wait in virtual time, with each request when it came to the mock and the service it got."""
    gone_ms = [each.queue_ms + each.work_ms + each.late_ms for each in asked]
    came = [each.sent_seconds + (each.took_ms - ms) / 1e3 for each, ms in zip(asked, gone_ms, strict=True)]
    order = sorted(range(len(asked)), key=came.__getitem__)
    services = Services((asked[index].work_ms + asked[index].late_ms) / 1e3 for index in order)
    return simulate([came[index] for index in order], Capacity(SERVERS), services).mean


class Services(LatencySampler):
    """Given ones, in order of arrival."""

    def __init__(self, seconds: Iterable[float]) -> None:
        self._seconds = iter(seconds)

    def draw(self, own: object = None) -> float:
        """The next."""
        return next(self._seconds)
