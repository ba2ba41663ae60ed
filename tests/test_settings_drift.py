"""Settings, docs/variables.md, .env.example and Compose say the same."""

import re

import pytest
import yaml

from lab.calling_pattern import FORWARD, PATTERNS
from proxy import patterns
from proxy.pattern_runtime.registry import discover
from service_kit.variables import variables
from support.settings_table import PARTS, ROOT, WIRING, env_example, page

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = {"PROXY_": "proxy", "UVICORN_": "proxy", "UPSTREAM_": "upstream-mock", "NET_": "link", "LOCUST_": "locust"}
ALL = [variable.name for models in PARTS.values() for model in models for variable in variables(model)]


def test_docs_have_the_table_of_the_settings() -> None:
    """`python tests/support/settings_table.py` writes it."""
    assert (ROOT / "docs/variables.md").read_text() == page()


def test_env_example_has_every_variable_at_its_default() -> None:
    """And starts everything as if it were not there: all of it is commented out."""
    text = (ROOT / ".env.example").read_text()
    assert text == env_example()
    assert all(line.startswith("#") or not line for line in text.splitlines())


@pytest.mark.parametrize("name", [name for name in ALL if name not in WIRING])
def test_compose_passes_a_variable_through_without_a_default_of_its_own(name: str) -> None:
    """The default stands in Settings only; a published port is the exception, for Compose must know it."""
    service = SERVICES.get(name[: name.index("_") + 1], "locust")
    if name in ("PROXY_PORT", "LOCUST_WEB_PORT"):
        assert re.fullmatch(rf"127\.0\.0\.1:\$\{{{name}:-\d+\}}:\d+", COMPOSE["services"][service]["ports"][0])
        return
    value = COMPOSE["services"][service]["environment"][name]
    wired = {
        "PROXY_UPSTREAM_URL": "${PROXY_UPSTREAM_URL:-http://upstream-mock:8001}",
        "PROXY_ADMIN": "${PROXY_ADMIN:-true}",
    }
    assert value == wired.get(name, f"${{{name}:-}}")


def test_compose_sets_nothing_that_no_part_knows() -> None:
    """A variable that was renamed does not stay behind."""
    for name, service in COMPOSE["services"].items():
        unknown = set(service.get("environment", {})) - set(ALL)
        assert not unknown, f"{name}: {unknown}"


def test_the_defaults_that_are_said_to_show_something_do() -> None:
    """Ten connections, five kept, 100 ms, twenty users: the pool is the bottleneck of the first run."""
    found = {each.name: each.default for models in PARTS.values() for model in models for each in variables(model)}
    assert found["PROXY_MAX_CONNECTIONS"] == "10"
    assert found["UPSTREAM_LATENCY"] == "constant(100ms)"
    assert found["LOCUST_USERS"] == "20"
    assert found["LOCUST_RUN_TIME"] == "30s"
    assert found["NET_PROFILE"] == "same-host"


def test_the_start_form_offers_every_pattern_of_the_proxy() -> None:
    """The two parts share no code of their subjects, so the names stand in both."""
    assert set(PATTERNS) - {FORWARD} == set(discover(patterns))
