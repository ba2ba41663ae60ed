"""Locust as a real process in front of a target that answers like the proxy and the mock."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.locust import RunLocust, Target, WebUi, locust, run_variables, serving
from support.servers import free_port, part


@pytest.fixture
def target() -> Iterator[Target]:
    """A target that serves."""
    with Target() as serving:
        yield serving


@pytest.fixture
def variables(target: Target, tmp_path: Path) -> dict[str, str]:
    """The environment of a short headless run against the target; the link does not answer."""
    return run_variables(target, tmp_path / "runs")


@pytest.fixture
def run_locust(variables: dict[str, str]) -> RunLocust:
    """Return a function that starts Locust with these and more variables."""
    return lambda **more: locust(variables, **more)


@pytest.fixture
def web_ui(variables: dict[str, str], target: Target) -> Iterator[WebUi]:
    """Locust with its web UI; the link does not answer."""
    with serving(variables, target) as ui:
        yield ui


@pytest.fixture
def linked_ui(variables: dict[str, str], target: Target) -> Iterator[tuple[WebUi, str]]:
    """Locust with its web UI and a relay that is set to much; the second is the address of the relay's control port."""
    url = f"http://127.0.0.1:{(control := free_port())}"
    net = {
        "NET_PORT": free_port(),
        "NET_CONTROL_PORT": control,
        "NET_UPSTREAM_PORT": target.port,
        "NET_ENGINE": "relay",
    }
    rough = {"NET_PROFILE": "cross-region", "NET_IDLE_DROP_SECONDS": 3, "NET_PARTITION": "900s-903s"}
    with part("link", f"{url}/-/healthy", **net, **rough), serving(variables, target, LAB_NET_CONTROL_URL=url) as ui:
        yield ui, url
