"""A prediction as it is shown and kept in a run document: the forecast, what it assumes, and what became of it."""

from typing import Literal

from pydantic import JsonValue

from lab.document_part import DocumentPart
from lab.prediction.calibration import SOURCE
from lab.prediction.from_settings import ReportedSettings, Unpredictable
from lab.prediction.workload import Forecast, Workload

Quantity = Literal[
    "proxy_cpu_ms",
    "generator_cpu_ms",
    "upstream_ms",
    "travel_ms",
    "failed_share",
    "users",
    "arrivals_rps",
    "machine_busy_share",
]

MACHINE_BUSY_SHARE = 0.9
"""From here on services wait for a core, which no forecast knows."""


class Assumption(DocumentPart):
    """A figure that the forecast rests on; `words` is a sentence."""

    quantity: Quantity
    value: float
    words: str


class MeasuredFigures(DocumentPart):
    """What was measured of the forecast's figures; null: not reported."""

    throughput_rps: float | None = None
    latency_mean_ms: float | None = None
    latency_p99_ms: float | None = None
    pool_wait_mean_ms: float | None = None
    pool_wait_p99_ms: float | None = None
    pool_utilisation: float | None = None
    cpu_utilisation: float | None = None
    generator_utilisation: float | None = None
    timed_out_share: float | None = None
    failed_share: float | None = None


class BrokenAssumption(DocumentPart):
    """The assumption that explains most of the difference between forecast and measurement; `words` is a sentence.

    `quantity` is null where no single one explains it.
    """

    quantity: Quantity | None
    assumed: float | None = None
    measured: float | None = None
    words: str


class Prediction(DocumentPart):
    """`forecast` is null where the model doesn't cover the settings; `unpredictable` is the sentence why.

    `measured` and `broken` are known after the run; `broken` is null where the forecast held.
    """

    forecast: Forecast | None = None
    unpredictable: str | None = None
    assumptions: tuple[Assumption, ...] = ()
    measured: MeasuredFigures | None = None
    broken: BrokenAssumption | None = None


def prediction_of(settings: ReportedSettings) -> Prediction:
    """Return the prediction for a run with these settings."""
    try:
        return Prediction(forecast=settings.forecast(settings.workload()), assumptions=assumptions_of(settings))
    except Unpredictable as why:
        return Prediction(unpredictable=str(why))


def assumptions_of(settings: ReportedSettings) -> tuple[Assumption, ...]:
    """Return what a forecast rests on, in the order in which a reader should doubt it."""
    work = settings.workload()
    client, opened = settings.proxy.get("PROXY_CLIENT"), settings.opened_per_request()
    cpu_ms, upstream_ms, travel_ms = work.cpu_seconds * 1e3, work.work.mean_seconds * 1e3, work.travel_seconds * 1e3
    trips = f"round trips: {settings.round_trips():.3g} a request, {travel_ms:.3g} ms in all; "
    return (
        Assumption(
            quantity="proxy_cpu_ms",
            value=cpu_ms,
            words=f"{cpu_ms:.2g} ms of CPU a request in the proxy ({client}, calibrated on {SOURCE})",
        ),
        Assumption(
            quantity="generator_cpu_ms",
            value=work.generator_cpu_seconds * 1e3,
            words=f"{work.generator_cpu_seconds * 1e3:.2g} ms of CPU a request in Locust",
        ),
        Assumption(
            quantity="upstream_ms",
            value=upstream_ms,
            words=f"the upstream takes {upstream_ms:.4g} ms in the mean, and as its distribution has it",
        ),
        Assumption(
            quantity="travel_ms",
            value=travel_ms,
            words=f"{trips if travel_ms else ''}{opened:.0%} of the requests open a connection",
        ),
        Assumption(
            quantity="failed_share",
            value=work.error_share,
            words=_failures(work.error_share, settings.upstream.get("UPSTREAM_FAULT")),
        ),
        _load(work),
        Assumption(
            quantity="machine_busy_share",
            value=MACHINE_BUSY_SHARE,
            words=f"no service waits for a core: less than {MACHINE_BUSY_SHARE:.0%} of the machine is busy",
        ),
    )


def _load(work: Workload) -> Assumption:
    if work.arrivals_per_second is not None:
        words = f"{work.arrivals_per_second:g} requests a second arrive, whatever became of those before"
        return Assumption(quantity="arrivals_rps", value=work.arrivals_per_second, words=words)
    after = f"{work.think_seconds:g} s after" if work.think_seconds else "as soon as"
    words = f"{work.users} users, each with its next request {after} it has its answer"
    return Assumption(quantity="users", value=work.users, words=words)


def _failures(error_share: float, faults: JsonValue) -> str:
    some = f"{error_share:.1%} of the requests fail by UPSTREAM_ERROR_RATE, others" if error_share else "requests fail"
    left_out = f"; the faults {faults} are left out" if faults else ""
    return f"{some} only by the pool's time-out{left_out}"
