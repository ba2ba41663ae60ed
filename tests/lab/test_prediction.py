"""Predictions against a simulation of the same system, request by request (support/simulation.py).

A simulation of 4,000 requests has an error of its own: the 99.9 % confidence intervals of these cases, from eight seeds
each, reach 5 % of the throughput, 7 % of a mean wait, 17 % of the wait's p99 and 13 % of the latency's to either side.
The tolerances are a little wider, for the model's own error. The seed is fixed.
"""

import math
from dataclasses import replace

import pytest

from lab.prediction.closed_network import one_station, servers, throughputs
from lab.prediction.open_queue import OpenQueue, erlang_c
from lab.prediction.predict import predict
from lab.prediction.promise import smallest
from lab.prediction.workload import ServiceTime, Workload, quantile_seconds
from support.queueing import Queue
from support.simulation import constant, exponential, lognormal, simulate

REQUESTS = 4000

CONSTANT = constant(0.2)
EXPONENTIAL = exponential(0.2)


def closed(users: int, connections: int, work: ServiceTime = EXPONENTIAL, **more: float | int | None) -> Workload:
    load = Workload(users, connections, work, cpu_seconds=0.0005, generator_cpu_seconds=0.0005)
    return replace(load, **more)  # type: ignore[arg-type]


CLOSED = {
    "more users than connections": closed(20, 10),
    "a constant upstream": closed(20, 10, CONSTANT),
    "fewer users than connections": closed(10, 20),
    "a few wait": closed(60, 50),
    "in bunches": closed(60, 50, CONSTANT),
    "a long tail": closed(60, 20, lognormal(0.08, p99=0.6)),
    "round trips": closed(200, 100, travel_seconds=0.04),
    "the upstream's servers are fewer": closed(40, 20, capacity=8),
    "two workers": closed(40, 10, workers=2),
    "admission": closed(40, 20, max_in_flight=30),
    "a busy CPU": closed(60, 50, cpu_seconds=0.0035),
    "thinking": closed(80, 10, think_seconds=1.0),
    "a full load generator": closed(60, 50, generator_cpu_seconds=0.005),
}


@pytest.mark.parametrize("case", CLOSED)
@pytest.mark.slow
def test_a_closed_load_is_predicted(case: str) -> None:
    work = CLOSED[case]
    expected = predict(work)
    found = simulate(work, seconds=REQUESTS / expected.throughput_rps)
    assert expected.throughput_rps == pytest.approx(found.throughput, rel=0.06)
    assert expected.pool_wait_mean_ms == pytest.approx(found.mean_wait_ms, rel=0.12, abs=4)
    assert expected.pool_wait_p99_ms == pytest.approx(found.wait_p99_ms, rel=0.25, abs=20)
    assert expected.latency_p99_ms == pytest.approx(found.took_p99_ms, rel=0.2)


def test_a_full_cpu_is_predicted() -> None:
    """The wait moves from the pool to the CPU; the model, with exponential CPU times, leaves more of it in the pool."""
    work = closed(60, 50, cpu_seconds=0.005)
    expected, found = predict(work), simulate(work, seconds=20)
    assert expected.throughput_rps == pytest.approx(found.throughput, rel=0.05)
    assert found.mean_wait_ms < expected.pool_wait_mean_ms < 0.1 * expected.latency_mean_ms


@pytest.mark.parametrize("patience", [0.25, 0.5])
def test_the_time_outs_of_a_closed_load_are_predicted(patience: float) -> None:
    work = closed(100, 10, exponential(0.1), pool_timeout_seconds=patience)
    expected, found = predict(work), simulate(work, seconds=30)
    assert expected.timed_out_share == pytest.approx(found.timed_out_share, rel=0.1)
    assert expected.throughput_rps == pytest.approx(found.throughput, rel=0.05)
    assert expected.pool_wait_mean_ms == pytest.approx(found.mean_wait_ms, rel=0.1)


def arriving(rate: float, work: ServiceTime, **more: float) -> Workload:
    return closed(0, 10, work, arrivals_per_second=rate, generator_cpu_seconds=0.0, **more)


@pytest.mark.parametrize("work", [constant(0.1), exponential(0.1)], ids=["constant", "exponential"])
@pytest.mark.parametrize("rate", [50.0, 80.0])
@pytest.mark.slow
def test_an_open_load_is_predicted(rate: float, work: ServiceTime) -> None:
    load = arriving(rate, work)
    expected, found = predict(load), simulate(load, seconds=150)
    assert expected.throughput_rps == pytest.approx(found.throughput, rel=0.04)
    assert expected.pool_wait_mean_ms == pytest.approx(found.mean_wait_ms, rel=0.25, abs=2)


@pytest.mark.slow
def test_constant_arrivals_wait_less() -> None:
    """Half as long where the service is exponential: Allen and Cunneen's factor is the mean of both variabilities."""
    load = arriving(90.0, exponential(0.1), arrivals_scv=0.0)
    expected, found = predict(load), simulate(load, seconds=300)
    assert expected.pool_wait_mean_ms == pytest.approx(found.mean_wait_ms, rel=0.25, abs=2)
    poisson = predict(arriving(90.0, exponential(0.1))).pool_wait_mean_ms
    assert expected.pool_wait_mean_ms == pytest.approx(poisson / 2, rel=0.02)


def test_an_overloaded_open_load_is_cut_by_the_pool_time_out() -> None:
    load = arriving(150, constant(0.1), pool_timeout_seconds=0.5)
    expected, found = predict(load), simulate(load, seconds=40)
    assert expected.timed_out_share == pytest.approx(found.timed_out_share, rel=0.1)
    assert expected.throughput_rps == pytest.approx(found.throughput, rel=0.05)


@pytest.mark.parametrize(("offered", "count"), [(0.5, 1), (8.0, 10), (95.0, 100)])
def test_erlangs_formula_agrees_with_the_states_of_the_queue(offered: float, count: int) -> None:
    assert erlang_c(offered, count) == pytest.approx(Queue(offered, 1.0, count).waiting())
    assert OpenQueue(offered, 1.0, count).mean_wait_seconds == pytest.approx(Queue(offered, 1.0, count).mean_wait())


def test_a_network_of_two_single_servers_is_a_geometric_series() -> None:
    """M/M/1/N: with service times a and b, k customers at the second have a weight of (b / a)^k."""
    ratio, customers = 0.5, 4
    weights = [ratio**k for k in range(customers + 1)]
    solved = one_station(customers, 0.0, [0.2], servers(1, 0.1))
    assert solved.holds == pytest.approx([weight / sum(weights) for weight in weights])
    assert solved.throughput == pytest.approx(10 * (1 - 1 / sum(weights)))
    assert throughputs(customers, 0.0, [0.2], [servers(1, 0.1)])[-1] == pytest.approx(solved.throughput)


def test_a_station_far_from_full_keeps_its_digits() -> None:
    """The recursion of mean value analysis computes a wait of 0.26 s here, with more servers than customers."""
    solved = one_station(60, 0.0, [0.005], servers(100, 0.2))
    length = sum(k * share for k, share in enumerate(solved.holds))
    assert length / solved.throughput == pytest.approx(0.2, rel=1e-9)
    assert sum(solved.finds) == pytest.approx(1.0)


def test_more_users_never_do_less_and_never_more_than_the_pool() -> None:
    found = [predict(closed(users, 10)).throughput_rps for users in (1, 5, 9, 10, 11, 15, 60)]
    assert found == pytest.approx(sorted(found), rel=1e-9)
    assert found[-1] == pytest.approx(10 / 0.2, rel=0.01)


def test_ten_thousand_users_are_predicted_at_once() -> None:
    found = predict(closed(10_000, 10))
    assert found.throughput_rps == pytest.approx(50, rel=0.01)
    assert found.pool_wait_mean_ms == pytest.approx((10_000 - 10) / 50 * 1e3, rel=0.01)


def test_the_p99_of_bunches_is_what_the_late_wait() -> None:
    """60 users on 50 connections: in each round ten wait until the first bunch's places are free again."""
    found = predict(closed(60, 50, CONSTANT))
    assert found.pool_wait_mean_ms == pytest.approx(40, rel=0.05)
    assert found.pool_wait_p99_ms == pytest.approx(180, rel=0.05)


def test_users_who_start_one_by_one_do_not_wait_in_bunches() -> None:
    found = predict(closed(60, 50, CONSTANT, start_together=False))
    assert found.pool_wait_p99_ms < 2.5 * found.pool_wait_mean_ms


def test_the_fewest_connections_are_found_that_hold_an_objective() -> None:
    work = closed(60, 1, lognormal(0.08, p99=0.6))
    found = smallest(
        lambda connections: predict(replace(work, connections=connections)),
        lambda forecast: forecast.latency_p99_ms < 1000,
        most=60,
    )
    assert found is not None
    enough = simulate(replace(work, connections=found + 2), seconds=25)
    too_few = simulate(replace(work, connections=found - 3), seconds=25)
    assert enough.took_p99_ms < 1000 < too_few.took_p99_ms


def test_an_objective_that_no_pool_holds() -> None:
    assert smallest(lambda n: predict(closed(20, n)), lambda forecast: forecast.latency_p99_ms < 100, most=100) is None


def test_a_quantile_of_a_tail() -> None:
    assert quantile_seconds(lambda seconds: math.exp(-seconds), 0.99) == pytest.approx(math.log(100))
    assert quantile_seconds(lambda seconds: 0.005 * math.exp(-seconds), 0.99) == 0.0
