"""The control port: the contract's documents."""

import re

import httpx

from support.mock_upstream import RunMock

STATS = {
    "connections": {
        "accepted",
        "open",
        "closed",
        "closed_by",
        "without_request",
        "open_without_request",
        "requests_per_connection",
    },
    "tls": {"handshakes", "resumed", "failed", "failed_by", "left", "versions", "alpn"},
    "requests": {"started", "completed", "abandoned", "faulted", "in_flight"},
    "capacity": {"servers", "queue", "busy", "waiting", "refused", "waited_ms"},
    "runs": {"r1"},
    "lateness_ms": {"count", "sum", "mean", "p50", "p99", "max", "histogram"},
    "faults": set(),
    "process": {
        *("pid", "cpu_seconds", "uptime_seconds"),
        *("descriptors", "descriptor_limit", "listen_overflows", "throttled_seconds"),
    },
}


async def test_the_documents(run_mock: RunMock) -> None:
    """/-/healthy, /-/config, /-/stats, /-/reset and /-/metrics say what the contract has; none of it is counted."""
    async with run_mock(latency="constant(1ms)", capacity=4, seed=9) as running:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.data}") as client:
            for _ in range(3):
                await client.get("/work", headers={"x-sandbox-run": "r1"})
        await running.until(lambda: not running.mock.connections.open)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.control}") as client:
            assert (await client.get("/-/healthy")).json() == {"status": "ok"}

            config = (await client.get("/-/config")).json()
            assert config["service"] == "upstream-mock"
            assert config["settings"]["UPSTREAM_SEED"] == 9
            assert config["settings"]["UPSTREAM_CAPACITY"] == 4
            assert config["settings"] == running.mock.settings.variables()
            assert (config["latency"]["mean_ms"], config["latency"]["scv"]) == (1, 0)
            assert {"python", "uvicorn", "httptools", "fastapi"} <= set(config["versions"])

            stats = (await client.get("/-/stats")).json()
            assert {name: set(part) for name, part in stats.items()} == STATS
            assert stats["connections"]["accepted"] == 1
            assert stats["connections"]["requests_per_connection"] == {"mean": 3.0, "max": 3}
            assert stats["requests"] == stats["runs"]["r1"]
            assert stats["requests"]["completed"] == 3
            assert stats["process"]["cpu_seconds"] > 0

            metrics = (await client.get("/-/metrics")).text
            assert "upstream_requests_started_total 3\n" in metrics
            assert 'upstream_connections_closed_total{by="client"} 1\n' in metrics
            assert "upstream_lateness_seconds_count 3\n" in metrics
            assert 'upstream_lateness_seconds{quantile="0.99"} ' in metrics
            assert "upstream_capacity_refused_total 0\n" in metrics
            assert 'upstream_log_entries{log="requests"} 3\n' in metrics
            assert 'upstream_log_entries{log="connections"} 1\n' in metrics
            assert "upstream_tls" not in metrics

            assert (await client.get("/-/reset")).status_code == 405
            assert (await client.post("/-/reset")).status_code == 200
            assert (await client.get("/-/stats")).json()["requests"]["started"] == 0
            assert (await client.get("/work")).status_code == 404


async def test_latency_and_faults_are_changed_while_it_runs(run_mock: RunMock) -> None:
    """All that a PUT names or nothing of it; /-/config has what is in force, and what it was at the start."""
    async with run_mock(latency="constant(0ms)") as running:
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.control}")
        async with client:
            answer = await client.put("/-/config", json={"UPSTREAM_LATENCY": "constant(7ms)", "UPSTREAM_FAULT": "X"})
            assert answer.status_code == 400
            assert [line.split(":")[0] for line in answer.json()["mistakes"]] == ["UPSTREAM_FAULT='X'"]
            config = (await client.get("/-/config")).json()
            assert (config["changed"], config["started_with"]) == (False, {})
            assert "STATUS_503" not in config["changeable"]["UPSTREAM_LATENCY"]["allowed"]

            body = {"UPSTREAM_LATENCY": "constant(7ms)", "UPSTREAM_FAULT": "STATUS_503 first=1"}
            config = (await client.put("/-/config", json=body)).json()
            assert {name: config["settings"][name] for name in body} == body
            assert config["started_with"] == {"UPSTREAM_LATENCY": "constant(0ms)", "UPSTREAM_FAULT": None}
            assert (config["changed"], config["latency"]["mean_ms"]) == (True, 7)
            assert (await running.ask("GET /work"))[0] == 503
            status, headers, _ = await running.ask("GET /work")
            assert (status, headers["server-timing"].split(", ")[1]) == (200, "work;dur=7.000")

            await client.put("/-/faults", json={"rules": []})
            config = (await client.put("/-/config", json={"UPSTREAM_LATENCY": "constant(0ms)"})).json()
            assert (config["changed"], config["started_with"]) == (False, {})
            assert (await client.put("/-/config", json={"UPSTREAM_CAPACITY": 3})).status_code == 400


async def test_metrics_are_prometheus_text(run_mock: RunMock) -> None:
    """Every line is a comment or a sample, every family has its help and type, in prometheus_client's own reading."""
    from prometheus_client.parser import text_string_to_metric_families

    async with run_mock(latency="constant(0ms)") as running:
        await running.ask("GET /work")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.control}") as client:
            answer = await client.get("/-/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert all(re.fullmatch(r"# .+|[a-z_]+(\{[^}]+\})? [0-9.e+-]+", line) for line in answer.text.splitlines())
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert all(family.documentation and family.samples for family in families.values())
    assert families["upstream_requests_started"].type == "counter"
    assert families["upstream_lateness_seconds"].type == "summary"
