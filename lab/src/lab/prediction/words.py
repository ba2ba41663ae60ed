"""A prediction in plain words, for the terminal."""

from lab.prediction.prediction import Prediction
from lab.prediction.workload import Forecast


def forecast_rows(prediction: Prediction) -> list[tuple[str, str]]:
    """Return what is expected and what that rests on, as rows of a name and a text."""
    forecast = prediction.forecast
    if forecast is None:
        return [("none", f"no prediction: {prediction.unpredictable}")]
    timed_out = forecast.timed_out_share
    return [
        ("throughput", f"{forecast.throughput_rps:.1f} answered requests a second"),
        ("latency", f"{_ms(forecast.latency_mean_ms)} in the mean, p99 {_ms(forecast.latency_p99_ms)}"),
        ("pool wait", f"{_ms(forecast.pool_wait_mean_ms)} in the mean, p99 {_ms(forecast.pool_wait_p99_ms)}"),
        ("in use", _in_use(forecast)),
        ("time-outs", f"{timed_out:.1%} of the requests, at the pool" if timed_out >= 0.0005 else "none at the pool"),
        *(("assumes" if number == 0 else "", one.words) for number, one in enumerate(prediction.assumptions)),
    ]


def outcome_rows(prediction: Prediction | None) -> list[tuple[str, str]]:
    """Return the forecast beside the measurement of its run; empty without both."""
    if prediction is None or prediction.forecast is None or prediction.measured is None:
        return []
    forecast, measured = prediction.forecast, prediction.measured
    pairs = [
        _pair("{:.1f}/s", forecast.throughput_rps, measured.throughput_rps),
        "pool wait " + _pair("{:.0f} ms", forecast.pool_wait_mean_ms, measured.pool_wait_mean_ms),
        "p99 " + _pair("{:.0f} ms", forecast.latency_p99_ms, measured.latency_p99_ms),
        "CPU " + _pair("{:.0%}", forecast.cpu_utilisation, measured.cpu_utilisation),
    ]
    rows = [("forecast", f"{', '.join(pairs)} (measured)")]
    if prediction.broken is not None:
        rows.append(("", f"did not hold: {prediction.broken.words}"))
    return rows


def _pair(form: str, expected: float, measured: float | None) -> str:
    return f"{form.format(expected)} ({'-' if measured is None else form.format(measured)})"


def _in_use(forecast: Forecast) -> str:
    return (
        f"{forecast.pool_utilisation:.0%} of the connections, {forecast.cpu_utilisation:.0%} of the proxy's CPU, "
        f"{forecast.generator_utilisation:.0%} of Locust's"
    )


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"
