"""The model of a run that was made: what it assumes is what was measured. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from pydantic import JsonValue

from lab.account.places import Place
from lab.calling_pattern import ONE_CLIENT, CallingPattern
from lab.conclusion import Figures, Metric
from lab.prediction.calibration import GENERATOR_CPU_MS, GENERATOR_IDLE_CORES
from lab.prediction.correction import Correction
from lab.prediction.from_settings import ReportedSettings, Unpredictable
from lab.prediction.prediction import Quantity, assumptions_of
from lab.prediction.promise import changed
from lab.prediction.workload import Forecast
from lab.run_document import RunDocument
from lab.run_prediction import measured_quantities
from lab.run_settings import variables_of

NEAR = 0.25
"""How far from the measurement the forecast of the run itself may be."""

_A_WAIT = 0.1
"""Share of the response time from which on the model must know why requests wait for a connection."""

_OTHER_MACHINE = 2.0
"""How many times quicker or slower than the calibration's a machine may be."""

_DOUBTED_CORES = 0.05
"""Of Locust's CPU: with a load that hardly uses more, its cost per request is chance, and the machine as calibrated."""

_SMALL_ANSWER = 10_000
"""Bytes of an answer that costs Locust no more than any other."""

_MANY_FAILED = 0.1

_AS_MEASURED: tuple[Quantity, ...] = ("upstream_ms", "generator_cpu_ms")

_EXPIRY = "PROXY_KEEPALIVE_EXPIRY_SECONDS"
"""Known only from a run: which part of its connections was opened for want of it."""

_OPENING = (Place.DNS, Place.CONNECT, Place.TLS)


@dataclass(frozen=True)
class RunModel:
    """Forecasts of a run with some variables changed, starting from its own figures."""

    run: RunDocument
    reported: ReportedSettings

    @classmethod
    def of(cls, run: RunDocument, reported: ReportedSettings | None) -> "RunModel":
        """Raises Unpredictable for a run without requests, or without all settings."""
        if reported is None or not run.totals.requests:
            raise Unpredictable("a service did not report its settings")
        return cls(run, reported)

    @cached_property
    def settings(self) -> ReportedSettings:
        return as_forwarding(self.reported, self.run.pattern)

    def figures(self, change: Mapping[str, JsonValue]) -> dict[Metric, float]:
        """Return what the run's figures become with these variables.

        Raises Unpredictable for a variable that the model doesn't know, and for a run that it doesn't describe. Times
        and throughput change from the measured value by as many times as the forecasts differ.
        """
        measured, before = measured_figures(self.run), self._before
        after = _known(self._forecast(change).figures)
        return {
            metric: after[metric] if metric == "failed_share" else after[metric] * measured[metric] / before[metric]
            for metric in after
            if metric in measured and before.get(metric)  # a forecast of too much load has no p50
        } | {"failed_share": after["failed_share"]}

    @cached_property
    def _before(self) -> dict[Metric, float]:
        """The forecast of the run itself. Raises Unpredictable where it is not near what was measured."""
        pattern = self.run.pattern
        if pattern is not None and (pattern.client_per_request or pattern.blocks_loop):
            raise Unpredictable(f"LAB_PATTERN={pattern.name}: no model describes it")
        measured, forecast = measured_figures(self.run), self._forecast({})
        figures, pool = _known(forecast.figures), self.run.pool
        if abs(figures["succeeded_rps"] - measured["succeeded_rps"]) > NEAR * measured["succeeded_rps"]:
            raise Unpredictable(
                f"the model gives {figures['succeeded_rps']:.3g} requests/s for this run, "
                f"{measured['succeeded_rps']:.3g} were measured"
            )
        wait_ms = pool.wait_ms.mean or 0.0 if pool is not None else 0.0
        if wait_ms >= _A_WAIT * measured["latency_mean_ms"] and forecast.pool_wait_mean_ms < wait_ms / 2:
            raise Unpredictable(
                f"the model gives a wait of {forecast.pool_wait_mean_ms:.3g} ms for a connection in this run, "
                f"{wait_ms:.3g} were measured"
            )
        return figures

    def afresh(self, change: Mapping[str, JsonValue]) -> dict[Metric, float]:
        """Return the figures with these variables by the forecast alone, for a run that no model describes.

        The upstream takes as long as it did, or as is set where many requests failed and may not have reached it; the
        proxy's CPU what was calibrated: on a machine that is quicker or slower by as much as Locust's CPU shows. Raises
        Unpredictable for a variable that the model doesn't know.
        """
        one_client = change.get("LAB_PATTERN") == ONE_CLIENT.name
        settings = as_forwarding(self.reported, ONE_CLIENT) if one_client else self.settings
        settings = changed(settings, {name: value for name, value in change.items() if name != "LAB_PATTERN"})
        found, assumed = measured_quantities(self.run), assumptions_of(settings)
        kept: dict[Quantity, float] = {name: found[name] for name in _AS_MEASURED if name in found}
        if found["failed_share"] > _MANY_FAILED:
            kept.pop("upstream_ms", None)
        correction = replace(Correction.of(assumed, kept), proxy_cpu=slowness(self.run))
        forecast = settings.forecast(correction.apply(settings.workload()))
        return _known(forecast.figures)

    def _forecast(self, change: Mapping[str, JsonValue]) -> Forecast:
        known = {name: value for name, value in change.items() if name != _EXPIRY}
        settings = changed(self.settings, known)
        work = self._correction.apply(settings.workload())
        if _EXPIRY in change:  # then none has to be opened
            work = replace(work, travel_seconds=max(work.travel_seconds - self._opening_ms / 1e3, 0.0))
        return settings.forecast(work)

    @property
    def _opening_ms(self) -> float:
        account = self.run.attribution
        return sum(account.mean_ms(place) for place in _OPENING) if account is not None else 0.0

    @cached_property
    def _correction(self) -> Correction:
        return Correction.of(
            assumptions_of(self.settings),
            measured_quantities(self.run),
            opened_share=self.settings.opened_per_request(),
            more_opening_ms=self._opening_ms - self.settings.opening_ms(),
        )


def slowness(run: RunDocument) -> float:
    """Return how many times longer than calibrated this machine takes for a request, as Locust's CPU shows.

    On the machine of the calibration, quiet, it was 0.85 to 1.2 for 90 runs of 36 to 490 requests a second.
    """
    cores, answer = run.generator.cpu_cores, variables_of(run.settings.start).get("UPSTREAM_PAYLOAD_BYTES")
    if cores is None or (isinstance(answer, int) and answer > _SMALL_ANSWER):
        return 1.0
    expected = GENERATOR_IDLE_CORES + run.totals.rps * GENERATOR_CPU_MS / 1e3
    found = (cores + _DOUBTED_CORES) / (expected + _DOUBTED_CORES)
    return min(max(found, 1 / _OTHER_MACHINE), _OTHER_MACHINE)


def as_forwarding(reported: ReportedSettings, pattern: CallingPattern | None) -> ReportedSettings:
    """Return the settings with a calling pattern as forwarding by httpx within the pattern's bounds."""
    if pattern is None:
        return reported
    proxy: dict[str, JsonValue] = {**reported.proxy, "PROXY_CLIENT": "httpx"}
    if not pattern.bounded:
        proxy["PROXY_MAX_CONNECTIONS"] = proxy["PROXY_MAX_KEEPALIVE_CONNECTIONS"] = reported.load["LOCUST_USERS"]
    load: dict[str, JsonValue] = {**reported.load, "LAB_PATTERN": "forward"}
    return replace(reported, load=load, proxy=proxy, pattern=pattern)


def measured_figures(run: RunDocument) -> dict[Metric, float]:
    return _known(run.figures)


def _known(figures: Figures) -> dict[Metric, float]:
    return {metric: value for metric, value in figures.items() if value is not None}
