import asyncio
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from support.raw_http import Exchange, get, raw_upstream, roundtrip, split
from support.servers import RunningProxy, running_proxy

PHASES = {"admission", "pool_wait", "connect", "tls", "send", "upstream", "network", "body", "proxy", "other"}


async def script(exchange: Exchange) -> None:
    await asyncio.sleep(0.01)
    if b"hang" in exchange.request_line:
        await asyncio.sleep(30)
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def samples_of(proxy: RunningProxy) -> tuple[dict[tuple[str, tuple[str, ...]], float], set[str]]:
    """Return the value of each sample by its name and label values, and the families' names."""
    text = split(await roundtrip(proxy.port, get("/-/metrics")))[2].decode()
    families = list(text_string_to_metric_families(text))
    samples = {
        (sample.name, tuple(sample.labels.values())): sample.value for family in families for sample in family.samples
    }
    assert len(samples) == sum(len(family.samples) for family in families)
    return samples, {family.name for family in families}


async def test_the_metrics_parse_and_agree_with_the_pool() -> None:
    """By OpenTelemetry's names where there are such, and to the last request what /-/pool says."""

    settings: dict[str, Any] = {"max_connections": 3, "read_timeout_seconds": 0.6}
    async with raw_upstream(script) as upstream, running_proxy(upstream.url, **settings) as proxy:
        await asyncio.gather(*(roundtrip(proxy.port, get("/")) for _ in range(12)))
        assert split(await roundtrip(proxy.port, get("/hang")))[0] == 504
        pool = await proxy.pool()
        samples, families = await samples_of(proxy)
    port = upstream.url.rpartition(":")[2]
    agree(pool, samples, ("127.0.0.1", port))
    assert {
        "http_client_open_connections",
        "http_client_connection_duration_seconds",
        "http_client_request_duration_seconds",
        "http_client_request_time_in_queue_seconds",
        "http_server_request_duration_seconds",
        "http_server_active_requests",
        "proxy_request_phase_duration_seconds",
        "proxy_event_loop_lag_seconds",
    } <= families


def agree(pool: dict[str, Any], samples: dict[tuple[str, tuple[str, ...]], float], server: tuple[str, str]) -> None:
    for state in ("active", "idle"):
        assert samples["http_client_open_connections", (state, *server)] == pool[state]
    for name in ("opened", "closed", "reused", "timeouts"):
        assert samples[f"proxy_pool_{name}_total", ()] == pool[name]
    for outcome in ("answered", "failed", "aborted"):
        assert samples["proxy_requests_total", (outcome,)] == pool["requests"][outcome]
    assert samples["proxy_requests_total", ("answered",)] == 12
    for code, count in pool["errors"].items():
        assert samples["proxy_errors_total", (code,)] == count
    assert samples["proxy_errors_total", ("upstream_read_timeout",)] == 1
    assert samples["http_client_connection_duration_seconds_count", server] == pool["closed"] >= 1
    queue = "http_client_request_time_in_queue_seconds"
    assert samples[f"{queue}_count", server] == pool["wait_ms"]["count"] == 13
    assert samples[f"{queue}_bucket", ("+Inf", *server)] == 13
    assert abs(samples[f"{queue}_sum", server] - pool["wait_ms"]["sum"] / 1000) < 1e-9
    assert samples["http_client_request_duration_seconds_count", server] == 13
    assert samples["http_server_request_duration_seconds_count", ()] == 13
    for phase in PHASES:
        told = pool["phases_ms"][phase]
        assert samples["proxy_request_phase_duration_seconds_count", (phase,)] == told["count"]
        assert abs(samples["proxy_request_phase_duration_seconds_sum", (phase,)] - told["sum"] / 1000) < 1e-9
    assert samples["proxy_threads", ("allowed",)] == 40
    assert samples["proxy_event_loop_lag_seconds_count", ()] > 0
    assert [value > 0 for (name, _), value in samples.items() if name == "proxy_worker_cpu_seconds_total"] == [True]


async def test_metrics_of_connections_carry_what_opentelemetry_requires() -> None:
    """Server's address and port on every http.client metric; how long connections lived up to 300 s."""

    async with raw_upstream(script) as upstream, running_proxy(upstream.url, max_connections=1) as proxy:
        await roundtrip(proxy.port, get("/"))
        text = split(await roundtrip(proxy.port, get("/-/metrics")))[2].decode()
    port = upstream.url.rpartition(":")[2]
    bounds = set()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if family.name.startswith("http_client_"):
                assert (sample.labels["server_address"], sample.labels["server_port"]) == ("127.0.0.1", port)
            if sample.name == "http_client_connection_duration_seconds_bucket":
                bounds.add(sample.labels["le"])
            if sample.name == "http_client_open_connections":
                assert sample.labels["http_connection_state"] in ("active", "idle")
    assert {"0.01", "60", "300", "+Inf"} <= bounds


async def test_buckets_only_grow() -> None:
    """Each histogram is cumulative, ends with all, and its sum lies between what its buckets allow."""

    async with raw_upstream(script) as upstream, running_proxy(upstream.url, max_connections=1) as proxy:
        await asyncio.gather(*(roundtrip(proxy.port, get("/")) for _ in range(5)))
        text = split(await roundtrip(proxy.port, get("/-/metrics")))[2].decode()
    histograms = [family for family in text_string_to_metric_families(text) if family.type == "histogram"]
    assert len(histograms) == 6
    for family in histograms:
        rows: dict[str, list[tuple[float, float]]] = {}
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                key = sample.labels.get("phase", "")
                rows.setdefault(key, []).append((float(sample.labels["le"]), sample.value))
        for row in rows.values():
            assert [bound for bound, _ in row] == sorted(bound for bound, _ in row)
            assert [count for _, count in row] == sorted(count for _, count in row)
    waits = next(family for family in histograms if family.name.startswith("http_client_request_time_in_queue"))
    count = {sample.labels.get("le"): sample.value for sample in waits.samples}
    assert count["0.01"] < count["+Inf"] == 5  # four of five waited for the one connection
