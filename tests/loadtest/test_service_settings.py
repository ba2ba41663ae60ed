"""Settings of the real services, changed from the start form and taken back."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from loadtest.same_origin import is_same_origin
from support.eventually import eventually_sync
from support.real_sandbox import NO_PROXY, RealSandbox, real_sandbox

pytestmark = pytest.mark.slow

CHANGES = {
    "PROXY_MAX_CONNECTIONS": (10, 20),
    "PROXY_MAX_KEEPALIVE_CONNECTIONS": (5, 20),
    "UPSTREAM_LATENCY": ("constant(100ms)", "constant(7ms)"),
    "NET_RTT_MS": (None, 4),
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSandbox]:
    with real_sandbox(tmp_path_factory.mktemp("runs")) as found:
        yield found


@pytest.fixture
def sandbox(running: RealSandbox) -> RealSandbox:
    """The services as they were started, and no run."""
    eventually_sync(lambda: running.ask("/lab/health")[1]["state"] in ("ready", "stopped"), 20)
    assert running.ask("/lab/services/reset", {})[0] == 200
    return running


def in_force(sandbox: RealSandbox) -> dict[str, object]:
    settings = sandbox.settings()
    return {name: settings[name] for name in CHANGES}


def form(**more: object) -> dict[str, object]:
    return {**{name.lower(): after for name, (_, after) in CHANGES.items()}, **more}


def test_a_form_changes_the_services_and_reset_takes_it_back(sandbox: RealSandbox) -> None:
    """In force for the run and after it, shown as differing from .env; all of it or nothing."""
    before = {name: was for name, (was, _) in CHANGES.items()}
    page = sandbox.ask("/")[1]
    assert '"proxy_max_connections"' in page

    mistake = sandbox.start(**form(net_profile="nowhere", proxy_client="curl"))
    assert mistake["success"] is False
    assert "NET_PROFILE='nowhere': " in mistake["message"]
    assert "PROXY_CLIENT='curl': " in mistake["message"]
    assert in_force(sandbox) == before

    known = len(sandbox.ask("/lab/runs.json")[1])
    assert sandbox.start(**form())["success"] is True
    run = sandbox.finished(known)
    parts = run["settings"]["start"]
    measured = parts["proxy"] | parts["upstream"] | parts["network"]
    after = {name: value for name, (_, value) in CHANGES.items()}
    assert {name: measured[name] for name in CHANGES} == in_force(sandbox) == after
    assert run["network"]["measured"] is not None
    shown = {one["variable"]: (one["was"], one["value"]) for one in sandbox.ask("/lab/live.json")[1]["differing"]}
    assert shown["PROXY_MAX_CONNECTIONS"] == ("10", "20")
    assert shown["NET_RTT_MS"] == ("unset", "4")
    assert set(shown) == set(CHANGES)

    assert sandbox.ask("/lab/services/reset", {}) == (200, {"mistakes": [], "fields": {}})
    assert in_force(sandbox) == before
    eventually_sync(lambda: sandbox.ask("/lab/live.json")[1]["differing"] == [], 10)


def test_a_service_that_needs_a_restart_is_named_with_its_variable(tmp_path: Path) -> None:
    with real_sandbox(tmp_path, PROXY_ADMIN="false") as sandbox:
        assert "restart: PROXY_MAX_CONNECTIONS in .env" in sandbox.ask("/")[1]
        assert sandbox.start(proxy_max_connections=10)["success"] is True
        sandbox.finished()
        refused = sandbox.start(proxy_max_connections=20)
        assert refused["message"].startswith("PROXY_ADMIN='false': the proxy takes no changes")


def test_locusts_page_shows_a_run_until_it_has_stopped(sandbox: RealSandbox) -> None:
    """While its last requests are waited for, too: after `cleanup` the page would ask no more, and never show NEW."""
    known = len(sandbox.ask("/lab/runs.json")[1])
    sandbox.start(upstream_latency="constant(2500ms)")
    shown = set[str]()
    while len(sandbox.ask("/lab/runs.json")[1]) == known:
        shown.add(sandbox.ask("/stats/requests")[1]["state"])
        time.sleep(0.05)
    assert "running" in shown
    assert shown <= {"ready", "spawning", "running", "stopped"}


def test_another_site_changes_nothing(sandbox: RealSandbox) -> None:
    """Neither the services nor a run; a program without these headers may."""
    for path in ("/swarm", "/stop", "/lab/services/reset"):
        for headers in ({"origin": "http://evil.example"}, {"sec_fetch_site": "cross-site"}):
            assert sandbox.ask(path, {}, method="POST", **headers)[0] == 403
    assert sandbox.ask("/lab/services/reset", {}, origin=sandbox.url)[0] == 200


@pytest.mark.parametrize(
    ("fetch_site", "origin", "allowed"),
    [
        (None, None, True),
        ("same-origin", "https://behind.a.proxy", True),
        ("none", None, True),
        ("same-site", "http://127.0.0.1:9", False),
        ("cross-site", "null", False),
        (None, "http://127.0.0.1:8089", True),
        (None, "http://127.0.0.1:8090", False),
        (None, "null", False),
    ],
)
def test_where_a_change_may_come_from(fetch_site: str | None, origin: str | None, allowed: bool) -> None:
    assert is_same_origin(fetch_site, origin, "127.0.0.1:8089") is allowed


def put(sandbox: RealSandbox, changes: Mapping[str, object]) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(
        f"{sandbox.url}/lab/services/settings.json", json.dumps(changes).encode(), method="PUT"
    )
    try:
        with NO_PROXY.open(request, timeout=30) as answer:
            return int(answer.status), dict(json.load(answer))
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code), dict(json.load(error))


def test_the_services_are_read_and_changed_through_the_ui(sandbox: RealSandbox) -> None:
    """Their documents as they are, no others; settings all or none, and none while the command line runs."""
    with NO_PROXY.open(urllib.request.Request(f"{sandbox.proxy}/work", b"x", method="POST")) as answer:
        assert answer.status == 200
    executions = sandbox.ask("/lab/services/upstream/executions.json")[1]
    assert sum(run["ids"] for run in executions["runs"].values()) in (0, 1)
    assert len(sandbox.ask("/lab/services/upstream/connections.json?since=0")[1]["connections"]) >= 1
    for service, name in (("upstream", "faults"), ("link", "stats"), ("link", "config"), ("proxy", "pool")):
        assert isinstance(sandbox.ask(f"/lab/services/{service}/{name}.json")[1], dict)
    for other in ("upstream/reset", "proxy/ledger", "nosuch/config", "upstream/..%2fwork"):
        assert sandbox.ask(f"/lab/services/{other}.json")[0] == 404

    bad = {"UPSTREAM_FAULT": "STATUS_503", "UPSTREAM_LATENCY": "soon", "PROXY_RETRIES": "1"}
    status, answered = put(sandbox, bad)
    assert (status, list(answered["fields"])) == (409, ["proxy_retries"])
    assert "allowed: in .env, with a restart" in answered["mistakes"][0]
    status, answered = put(sandbox, {name: value for name, value in bad.items() if name != "PROXY_RETRIES"})
    assert (status, list(answered["fields"])) == (409, ["upstream_latency"])
    assert sandbox.settings()["UPSTREAM_FAULT"] is None
    assert put(sandbox, {"UPSTREAM_FAULT": "STATUS_503"})[0] == 200
    assert sandbox.ask("/lab/services/upstream/faults.json")[1]["rules"] == ["STATUS_503"]
    _, upstream, _ = sandbox.ask("/lab/services/settings.json")[1]["services"]
    fields = upstream["fields"]
    assert {one["variable"]: one["was"] for one in fields} == {"UPSTREAM_LATENCY": None, "UPSTREAM_FAULT": "unset"}

    lock = json.dumps({"holder": "test", "note": "pid 7"}).encode()
    with NO_PROXY.open(urllib.request.Request(f"{sandbox.url}/lab/run-lock", lock, method="PUT")) as answer:
        assert answer.status == 200
    assert "a run from the command line is on (pid 7)" in sandbox.ask("/lab/services/reset", {})[1]["mistakes"][0]
    assert put(sandbox, {"UPSTREAM_FAULT": ""})[0] == 409
    with NO_PROXY.open(urllib.request.Request(f"{sandbox.url}/lab/run-lock", lock, method="DELETE")) as answer:
        assert answer.status == 200
    assert put(sandbox, {"UPSTREAM_FAULT": ""})[0] == 200
