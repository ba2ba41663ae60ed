"""The start form of a run with the advice of the one before it."""

from typing import Any

from lab.conclusion import Advice, Verdict
from lab.run_document import PartSettings, SettingsAtEnds
from lab.wire.service import Changeable, ServiceConfig
from loadtest.advised_run import advised, advised_form
from support.documents import run_document

LOAD = {
    "LOCUST_HOST": "http://proxy:8000",
    "LOCUST_USERS": 20,
    "LOCUST_SPAWN_RATE": 20.0,
    "LOCUST_RUN_TIME": "3s",
    "LAB_PATTERN": "forward",
    "LAB_OBJECTIVE": None,
}
PROXY = {"PROXY_MAX_CONNECTIONS": 10, "PROXY_MAX_KEEPALIVE_CONNECTIONS": 5, "PROXY_RETRIES": 0}
CONFIGS = {
    "proxy": ServiceConfig(
        settings={**PROXY, "PROXY_MAX_CONNECTIONS": 4},
        changeable={name: Changeable() for name in ("PROXY_MAX_CONNECTIONS", "PROXY_MAX_KEEPALIVE_CONNECTIONS")},
    )
}


def run(**advice: Any) -> Any:
    part = PartSettings(load=dict(LOAD), proxy=dict(PROXY))
    settings = SettingsAtEnds(start=part, end=part, derived=["PROXY_MAX_KEEPALIVE_CONNECTIONS"])
    verdict = Verdict(bottleneck="pool", because="", advice=Advice(words="", set=advice))
    return run_document("20261129T120000Z-abcd", settings=settings, verdict=verdict)


def test_the_form_is_the_runs_own_with_the_advice_on_top() -> None:
    """What was left unset stays so, and all users still start at once."""
    assert advised_form(run(PROXY_MAX_CONNECTIONS=20), CONFIGS) == {
        "user_count": "20",
        "spawn_rate": "20",
        "run_time": "3s",
        "pattern": "forward",
        "objective": "",
        "proxy_max_connections": "20",
        "run_label": "ten advised",
    }
    form = advised_form(run(LOCUST_USERS=40, LAB_PATTERN="shared_client"), CONFIGS)
    assert (form["user_count"], form["spawn_rate"], form["pattern"]) == ("40", "40", "shared_client")
    assert form["proxy_max_connections"] == "10"


def test_what_needs_a_restart_is_named() -> None:
    assert advised(run(PROXY_MAX_CONNECTIONS=20, LOCUST_USERS=40), CONFIGS).restart == []
    assert advised(run(PROXY_MAX_CONNECTIONS=20, UVICORN_WORKERS=2), CONFIGS).restart == ["UVICORN_WORKERS"]
    fixed = {"proxy": CONFIGS["proxy"].model_copy(update={"fixed_because": "PROXY_ADMIN='false'"})}
    assert advised(run(PROXY_MAX_CONNECTIONS=20), fixed).restart == ["PROXY_MAX_CONNECTIONS"]
    assert "proxy_max_connections" not in advised_form(run(PROXY_MAX_CONNECTIONS=20), fixed)
