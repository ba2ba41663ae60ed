"""Settings of the real services, changed from the start form and taken back."""

import time
from pathlib import Path

import pytest

from loadtest.same_origin import is_same_origin
from support.eventually import eventually_sync
from support.real_sandbox import RealSandbox, real_sandbox

pytestmark = pytest.mark.slow

CHANGES = {
    "PROXY_MAX_CONNECTIONS": (10, 20),
    "PROXY_MAX_KEEPALIVE_CONNECTIONS": (5, 20),
    "UPSTREAM_LATENCY": ("constant(100ms)", "constant(7ms)"),
    "NET_RTT_MS": (None, 4),
}


def in_force(sandbox: RealSandbox) -> dict[str, object]:
    settings = sandbox.settings()
    return {name: settings[name] for name in CHANGES}


def form(**more: object) -> dict[str, object]:
    return {**{name.lower(): after for name, (_, after) in CHANGES.items()}, **more}


def test_a_form_changes_the_services_and_reset_takes_it_back(tmp_path: Path) -> None:
    """In force for the run and after it, shown as differing from .env; all of it or nothing."""
    before = {name: was for name, (was, _) in CHANGES.items()}
    with real_sandbox(tmp_path) as sandbox:
        page = sandbox.ask("/")[1]
        assert '"proxy_max_connections"' in page

        mistake = sandbox.start(**form(net_profile="nowhere", proxy_client="curl"))
        assert mistake["success"] is False
        assert "NET_PROFILE='nowhere': " in mistake["message"]
        assert "PROXY_CLIENT='curl': " in mistake["message"]
        assert in_force(sandbox) == before

        assert sandbox.start(**form())["success"] is True
        run = sandbox.finished()
        parts = run["settings"]["start"]
        measured = parts["proxy"] | parts["upstream"] | parts["network"]
        after = {name: value for name, (_, value) in CHANGES.items()}
        assert {name: measured[name] for name in CHANGES} == in_force(sandbox) == after
        assert run["network"]["measured"] is not None
        shown = {one["variable"]: (one["was"], one["value"]) for one in sandbox.ask("/lab/live.json")[1]["differing"]}
        assert shown["PROXY_MAX_CONNECTIONS"] == ("10", "20")
        assert shown["NET_RTT_MS"] == ("unset", "4")
        assert set(shown) == set(CHANGES)

        assert sandbox.ask("/lab/settings/reset", {}) == (200, {"mistakes": []})
        assert in_force(sandbox) == before
        eventually_sync(lambda: sandbox.ask("/lab/live.json")[1]["differing"] == [], 10)


def test_a_service_that_needs_a_restart_is_named_with_its_variable(tmp_path: Path) -> None:
    with real_sandbox(tmp_path, PROXY_ADMIN="false") as sandbox:
        assert "restart: PROXY_MAX_CONNECTIONS in .env" in sandbox.ask("/")[1]
        assert sandbox.start(proxy_max_connections=10)["success"] is True
        sandbox.finished()
        refused = sandbox.start(proxy_max_connections=20)
        assert refused["message"].startswith("PROXY_ADMIN='false': the proxy takes no changes")


def test_locusts_page_shows_a_run_until_it_has_stopped(tmp_path: Path) -> None:
    """While its last requests are waited for, too: after `cleanup` the page would ask no more, and never show NEW."""
    with real_sandbox(tmp_path, UPSTREAM_LATENCY="constant(2500ms)") as sandbox:
        sandbox.start()
        seen, shown = set[str](), set[str]()
        while "stopped" not in seen:
            shown.add(sandbox.ask("/stats/requests")[1]["state"])
            seen.add(sandbox.ask("/lab/health")[1]["state"])
            time.sleep(0.05)
        assert seen >= {"running", "stopping", "stopped"}
        assert shown <= {"ready", "spawning", "running", "stopped"}


def test_another_site_changes_nothing(tmp_path: Path) -> None:
    """Neither the services nor a run; a program without these headers may."""
    with real_sandbox(tmp_path) as sandbox:
        for path in ("/swarm", "/stop", "/lab/settings/reset"):
            for headers in ({"origin": "http://evil.example"}, {"sec_fetch_site": "cross-site"}):
                assert sandbox.ask(path, {}, method="POST", **headers)[0] == 403
        assert sandbox.ask("/lab/settings/reset", {}, origin=sandbox.url)[0] == 200


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
