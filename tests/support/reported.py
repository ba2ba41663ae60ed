"""Settings as the services report them, with a simple upstream and no network to speak of."""

from typing import Any

from lab.prediction.from_settings import ReportedSettings
from lab.wire.mock import LatencyFigures

LOAD = {
    "LOCUST_USERS": 20,
    "LOCUST_PROCESSES": 1,
    "LAB_PATTERN": "forward",
    "LAB_REQUEST_PATH": "/work",
    "LAB_USER_KIND": "closed",
    "LAB_SHAPE": None,
}
PROXY = {
    "PROXY_CLIENT": "pyreqwest",
    "PROXY_QUEUE": "client",
    "PROXY_MAX_CONNECTIONS": 10,
    "PROXY_MAX_KEEPALIVE_CONNECTIONS": 5,
    "PROXY_POOL_TIMEOUT_SECONDS": 5.0,
    "PROXY_TOTAL_TIMEOUT_SECONDS": None,
    "PROXY_MAX_IN_FLIGHT": None,
    "PROXY_THREAD_TOKENS": 40,
    "PROXY_HTTP2": False,
    "UVICORN_WORKERS": 1,
}
NETWORK = {"rtt_ms": 0.0, "jitter_ms": 0.0, "loss_pct": 0.0, "bw_down_mbit": None}
UPSTREAM = {
    "UPSTREAM_CAPACITY": None,
    "UPSTREAM_CHUNKS": 1,
    "UPSTREAM_CHUNK_GAP_MS": 0.0,
    "UPSTREAM_ERROR_RATE": 0.0,
    "UPSTREAM_PAYLOAD_BYTES": 120,
    "UPSTREAM_TLS": "off",
    "UPSTREAM_HTTP2": False,
    "UPSTREAM_MAX_REQUESTS_PER_CONNECTION": None,
    "UPSTREAM_FRAMING": None,
}
LATENCY = LatencyFigures(mean_ms=200, scv=0, strata_ms=((1.0, 200.0),))
PARTS = (LOAD, PROXY, NETWORK, UPSTREAM)


def reported(latency: LatencyFigures | None = LATENCY, **changed: Any) -> ReportedSettings:
    load, proxy, network, upstream = (
        {**part, **{name: value for name, value in changed.items() if name in part}} for part in PARTS
    )
    assert all(any(name in part for part in PARTS) for name in changed)
    return ReportedSettings(load, proxy, network, upstream, latency)
