"""A forecast beside what was measured, and the assumption that broke."""

import math
from collections.abc import Mapping
from dataclasses import replace

from lab.prediction.correction import scaled
from lab.prediction.predict import predict
from lab.prediction.prediction import MACHINE_BUSY_SHARE, Assumption, BrokenAssumption, MeasuredFigures, Quantity
from lab.prediction.workload import Forecast, Workload

THROUGHPUT_SHARE = 0.10
WAIT_SHARE, WAIT_MS = 0.25, 2.0
FAILED_SHARE = 0.02
"""A forecast has held if throughput, mean pool wait and share of failures are no further off than that."""

_EXPLAINS = 0.5
"""An assumption explains a difference if a forecast with its measured value is nearer by half."""

_WORDS: Mapping[Quantity, str] = {
    "proxy_cpu_ms": "the proxy took {measured:.2g} ms of CPU a request, {assumed:.2g} ms were assumed",
    "generator_cpu_ms": "Locust took {measured:.2g} ms of CPU a request, {assumed:.2g} ms were assumed",
    "upstream_ms": "the upstream took {measured:.4g} ms in the mean, {assumed:.4g} ms were assumed",
    "travel_ms": "connecting and round trips took {measured:.3g} ms a request, {assumed:.3g} ms were assumed",
    "failed_share": "{measured:.1%} of the requests failed, {assumed:.1%} were expected to",
    "arrivals_rps": "{measured:.1f} requests a second arrived, {assumed:.1f} were assumed",
    "machine_busy_share": "{measured:.0%} of the machine was busy, less than {assumed:.0%} was assumed",
    "users": "{measured:.0f} users were there in the mean, {assumed:.0f} were assumed",
}


def held(forecast: Forecast, measured: MeasuredFigures) -> bool:
    """Whether the forecast is as near as it is meant to be, in all that was measured."""
    rps, wait = measured.throughput_rps, measured.pool_wait_mean_ms
    near_rps = rps is None or abs(forecast.throughput_rps - rps) <= THROUGHPUT_SHARE * rps
    near_wait = wait is None or abs(forecast.pool_wait_mean_ms - wait) <= max(WAIT_SHARE * wait, WAIT_MS)
    return near_rps and near_wait


def broken_assumption(
    work: Workload,
    assumptions: tuple[Assumption, ...],
    measured: MeasuredFigures,
    found: Mapping[Quantity, float],
) -> BrokenAssumption | None:
    """Return the assumption that broke first, None if the forecast held.

    `found` has what was measured of the assumed quantities. Failures come first, because other figures follow from
    them. Else it is the assumption with whose measured value the forecast would have been nearest; the machine, if none
    explains the difference and its cores were busy.
    """
    forecast = predict(work)
    failed = found.get("failed_share", forecast.failed_share)
    if abs(failed - forecast.failed_share) > FAILED_SHARE:
        return _broken("failed_share", forecast.failed_share, failed)
    if held(forecast, measured):
        return None
    distances = {
        one.quantity: _distance(predict(changed), measured)
        for one in assumptions
        if one.quantity in found and (changed := _with(work, one.quantity, found[one.quantity])) is not None
    }
    best = min(distances, key=lambda quantity: distances[quantity], default=None)
    if best is None or distances[best] > _EXPLAINS * _distance(forecast, measured):
        busy = found.get("machine_busy_share", 0.0)
        if busy > MACHINE_BUSY_SHARE:
            return _broken("machine_busy_share", MACHINE_BUSY_SHARE, busy)
        return BrokenAssumption(quantity=None, words="no single assumption explains the difference")
    assumed = next(one.value for one in assumptions if one.quantity == best)
    return _broken(best, assumed, found[best])


def _broken(quantity: Quantity, assumed: float, measured: float) -> BrokenAssumption:
    words = _WORDS[quantity].format(assumed=assumed, measured=measured)
    return BrokenAssumption(quantity=quantity, assumed=assumed, measured=measured, words=words)


def _with(work: Workload, quantity: Quantity, value: float) -> Workload | None:
    """Return the workload with the measured value of a quantity; None where that makes no workload."""
    if quantity == "upstream_ms":
        mean_ms = work.work.mean_seconds * 1e3
        return replace(work, work=scaled(work.work, value / mean_ms)) if mean_ms else None
    if quantity == "arrivals_rps":
        return replace(work, arrivals_per_second=value) if value > 0 else None
    if quantity == "users":
        return replace(work, users=round(value)) if value >= 1 else None
    if quantity in ("failed_share", "machine_busy_share"):
        return None
    field = {"proxy_cpu_ms": "cpu_seconds", "generator_cpu_ms": "generator_cpu_seconds", "travel_ms": "travel_seconds"}
    seconds = {field[quantity]: max(value / 1e3, 0.0)}
    return replace(work, **seconds)  # type: ignore[arg-type]


def _distance(forecast: Forecast, measured: MeasuredFigures) -> float:
    """Return how far off a forecast is: throughput by its logarithm, the wait as a share of the latency."""
    off = 0.0
    if measured.throughput_rps:
        off += abs(math.log(forecast.throughput_rps / measured.throughput_rps))
    if measured.pool_wait_mean_ms is not None and measured.latency_mean_ms:
        off += abs(forecast.pool_wait_mean_ms - measured.pool_wait_mean_ms) / measured.latency_mean_ms
    return off
