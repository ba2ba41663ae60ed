"""What became of a run's prediction, from the run's own figures. Pure."""

from lab.prediction.calibration import GENERATOR_IDLE_CORES, IDLE_CORES
from lab.prediction.from_settings import ReportedSettings
from lab.prediction.outcome import broken_assumption
from lab.prediction.prediction import MeasuredFigures, Prediction, Quantity, prediction_of
from lab.run_document import RunDocument

_TRAVEL = ("connect", "tls", "network")


def with_outcome(settings: ReportedSettings, document: RunDocument) -> Prediction:
    """Return the prediction from the settings before the run, with what the run's document measured of it."""
    prediction = prediction_of(settings)
    if prediction.forecast is None or not document.totals.requests:
        return prediction
    measured, found = _measured(document), measured_quantities(document)
    broken = broken_assumption(settings.workload(), prediction.assumptions, measured, found)
    return prediction.model_copy(update={"measured": measured, "broken": broken})


def _measured(document: RunDocument) -> MeasuredFigures:
    totals, pool, cores = document.totals, document.pool, document.cpu_cores
    workers = _workers(document)
    proxy, generator = cores.get("proxy"), document.generator
    return MeasuredFigures(
        throughput_rps=totals.succeeded_rps,
        latency_mean_ms=document.latency_ms.mean,
        latency_p99_ms=document.latency_ms.p99,
        pool_wait_mean_ms=pool.wait_ms.mean if pool else None,
        pool_wait_p99_ms=pool.wait_ms.p99 if pool else None,
        pool_utilisation=pool.active_mean / pool.max if pool and pool.active_mean is not None else None,
        cpu_utilisation=None if proxy is None else proxy / workers,
        generator_utilisation=None if generator.cpu_cores is None else generator.cpu_cores / generator.processes,
        timed_out_share=pool.timeouts / totals.requests if pool else None,
        failed_share=totals.failures / totals.requests,
    )


def measured_quantities(document: RunDocument) -> dict[Quantity, float]:
    """Return what was measured of the quantities that a prediction assumes."""
    totals, phases = document.totals, document.phases_ms or {}
    found: dict[Quantity, float] = {"failed_share": totals.failures / totals.requests}
    proxy, generator = document.cpu_cores.get("proxy"), document.generator.cpu_cores
    if totals.rps and proxy is not None:
        found["proxy_cpu_ms"] = max(proxy - IDLE_CORES, 0.0) / totals.rps * 1e3
    if totals.rps and generator is not None:
        found["generator_cpu_ms"] = max(generator - GENERATOR_IDLE_CORES, 0.0) / totals.rps * 1e3
    means = {name: phase.mean for name, phase in phases.items() if phase is not None and phase.mean is not None}
    answered = 1 - (document.pool.timeouts / totals.requests if document.pool else 0.0)
    if "upstream" in means and answered:  # the phases' means are of all requests
        found["upstream_ms"] = means["upstream"] / answered
    if "network" in means:
        found["travel_ms"] = sum(means.get(name, 0.0) for name in _TRAVEL)
    if document.host is not None and document.host.busy_share is not None:
        found["machine_busy_share"] = document.host.busy_share
    arrivals = next((row.arrivals for row in document.kinds), None)
    if arrivals is not None and document.window_seconds:
        found["arrivals_rps"] = arrivals.started / document.window_seconds
    if document.series:
        found["users"] = sum(point.users for point in document.series) / len(document.series)
    return found


def _workers(document: RunDocument) -> int:
    workers = (document.settings.start.proxy or {}).get("UVICORN_WORKERS")
    return workers if isinstance(workers, int) else 1
