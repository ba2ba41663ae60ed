"""A run against the real proxy and mock, with an upstream that refuses and has a fault."""

from pathlib import Path

import pytest

from lab.run_document import RunDocument
from support.locust import RunLocust
from support.servers import free_port, part

pytestmark = pytest.mark.slow


def test_an_upstream_whose_queue_is_full_is_named_with_its_faults(run_locust: RunLocust, tmp_path: Path) -> None:
    """Its 503 passes the proxy as its own, by name; faults and refusals are counted by the mock itself."""
    data, control, front = free_port(), free_port(), free_port()
    mock = {"UPSTREAM_PORT": data, "UPSTREAM_CONTROL_PORT": control, "UPSTREAM_LATENCY": "constant(50ms)"}
    limited = {"UPSTREAM_CAPACITY": 1, "UPSTREAM_QUEUE": 1, "UPSTREAM_FAULT": "STATUS_418 every=10"}
    upstream, proxy = f"http://127.0.0.1:{data}", f"http://127.0.0.1:{front}"
    with (
        part("upstream_mock", f"http://127.0.0.1:{control}/-/healthy", **mock, **limited),
        part("proxy", f"{proxy}/-/healthy", PROXY_PORT=front, PROXY_UPSTREAM_URL=upstream),
        run_locust(
            LOCUST_HEADLESS="true", LOCUST_HOST=proxy, LAB_UPSTREAM_CONTROL_URL=f"http://127.0.0.1:{control}"
        ) as process,
    ):
        process.communicate(timeout=40)
    (path,) = (tmp_path / "runs").glob("*.json")
    run = RunDocument.model_validate_json(path.read_text())
    refused = run.errors["503 upstream queue_full"]
    assert refused > run.totals.requests / 2
    assert run.verdict.bottleneck == "upstream"
    assert f"the upstream refused {refused} of {run.totals.requests} requests" in str(run.verdict)
    assert "all its servers (UPSTREAM_CAPACITY=1) were busy" in str(run.verdict)
    assert run.upstream is not None
    assert run.upstream.refused == refused
    assert run.upstream.injected == {"STATUS_418": run.errors["418 upstream"]}
    assert f"injected on purpose: mock: STATUS_418 {run.errors['418 upstream']}" in str(run.verdict)
    assert run.settings.start.upstream is not None
    assert run.settings.start.upstream["UPSTREAM_FAULT"] == "STATUS_418 every=10"
