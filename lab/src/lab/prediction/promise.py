"""What a change of settings promises: the prediction with a variable changed, beside the one without."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from pydantic import JsonValue

from lab.prediction.correction import Correction
from lab.prediction.from_settings import ReportedSettings, Unpredictable
from lab.prediction.predict import predict
from lab.prediction.workload import Forecast

_CHANGEABLE = (
    "LOCUST_USERS",
    "LOCUST_PROCESSES",
    "PROXY_CLIENT",
    "PROXY_QUEUE",
    "PROXY_SNIFFIO",
    "PROXY_MAX_CONNECTIONS",
    "PROXY_MAX_KEEPALIVE_CONNECTIONS",
    "PROXY_POOL_TIMEOUT_SECONDS",
    "PROXY_MAX_IN_FLIGHT",
    "PROXY_THREAD_TOKENS",
    "UVICORN_WORKERS",
    "UPSTREAM_CAPACITY",
    "UPSTREAM_ERROR_RATE",
    "UPSTREAM_PAYLOAD_BYTES",
    "UPSTREAM_MAX_REQUESTS_PER_CONNECTION",
    "UPSTREAM_FRAMING",
    "UPSTREAM_TLS",
    "NET_RTT_MS",
    "NET_JITTER_MS",
    "NET_LOSS_PCT",
    "NET_BW_DOWN_MBIT",
)
"""Variables that the model knows; UPSTREAM_LATENCY only the mock can read."""

Expected = TypeVar("Expected")

AS_IT_WAS = Correction()


@dataclass(frozen=True)
class Promise:
    """The forecasts without and with a change."""

    before: Forecast
    after: Forecast


def promise(settings: ReportedSettings, change: Mapping[str, JsonValue], correction: Correction = AS_IT_WAS) -> Promise:
    """Return what setting these variables promises. Raises Unpredictable for one that the model doesn't know.

    `correction` is from the run that the change is advised for: so the promise starts from what was measured there.
    """
    before, after = (predict(correction.apply(one.workload())) for one in (settings, changed(settings, change)))
    return Promise(before, after)


def changed(settings: ReportedSettings, change: Mapping[str, JsonValue]) -> ReportedSettings:
    """Return the settings with these variables. Raises Unpredictable."""
    if unknown := [name for name in change if name not in _CHANGEABLE]:
        raise Unpredictable(f"{unknown[0]}: what follows from changing it is not known")
    parts = {"load": ("LOCUST_",), "proxy": ("PROXY_", "UVICORN_"), "upstream": ("UPSTREAM_",)}
    new: dict[str, Mapping[str, JsonValue]] = {
        part: {**getattr(settings, part), **{name: change[name] for name in change if name.startswith(prefixes)}}
        for part, prefixes in parts.items()
    }
    network = {name.removeprefix("NET_").lower(): value for name, value in change.items() if name.startswith("NET_")}
    return replace(settings, **new, network={**settings.network, **network})  # type: ignore[arg-type]


def smallest(forecast: Callable[[int], Expected], holds: Callable[[Expected], bool], most: int) -> int | None:
    """Return the smallest value with which an objective holds, by bisection from 1 to `most`; None if it never does.

    The objective must be one that a larger value does not break.
    """
    low, high = 0, most
    if not holds(forecast(most)):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(forecast(middle)) else (middle, high)
    return high
