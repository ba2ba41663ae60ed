"""The commands of docs/, executed against the sandbox as local processes."""

import os
import re
from pathlib import Path

import pytest

from browser import Browser
from support.clone import Clone, Foreground, clone
from support.docs import commands
from support.servers import ROOT

pytestmark = pytest.mark.e2e

PAGES = ("upstream.md", "network.md", "proxy.md", "runs.md", "prediction.md", "users.md")
DEFAULT_PORTS = {
    "8000": "PROXY_PORT",
    "8001": "UPSTREAM_PORT",
    "8091": "UPSTREAM_CONTROL_PORT",
    "8002": "NET_PORT",
    "8092": "NET_CONTROL_PORT",
    "8089": "LOCUST_WEB_PORT",
}


@pytest.fixture(scope="module")
def here(local: Clone, up: Foreground) -> Clone:
    """The services as they are without settings: other tests' runs may have left them with https."""
    local.run_json("--users", "1", "--time", "1s")
    return local


@pytest.mark.parametrize("name", PAGES)
def test_the_commands_of_a_page_succeed(here: Clone, name: str) -> None:
    """As written, but for the ports: a clone has its own. curl fails for an HTTP error that is not asked for."""
    found = commands(ROOT / "docs" / name)
    assert found
    for command in found:
        moved = re.sub(r"(?<=127\.0\.0\.1:)\d+", lambda port: str(here.ports[DEFAULT_PORTS[port[0]]]), command)
        wants_error = "status=404" in command
        moved = moved if wants_error else moved.replace("curl ", "curl --fail-with-body ")
        here.command("bash", "-euc", moved, timeout=120)


def test_every_page_with_commands_is_in_the_list() -> None:
    pages = {path.name for path in Path(ROOT, "docs").glob("*.md") if commands(path)}
    assert pages <= {*PAGES, "watch-your-own-app.md"}


@pytest.mark.timing
@pytest.mark.browser
def test_the_readmes_picture_shows_a_verdict(tmp_path: Path) -> None:
    """Of the first run, START and nothing else. `UPDATE_IMAGES=1` writes docs/images/verdict.png, of a whole run."""
    committed = ROOT / "docs/images/verdict.png"
    update = bool(os.environ.get("UPDATE_IMAGES"))
    picture, shorter = (committed, {}) if update else (tmp_path / "verdict.png", {"LOCUST_RUN_TIME": "5s"})
    with (
        clone() as own,
        Foreground(own, "./sandbox", "up", "--processes", **shorter) as running,
        Browser(1100, 640) as browser,
    ):
        running.until(r"Pool Sandbox is ready", 120)
        browser.open(own.ui)
        browser.wait_for("!!document.querySelector('button[type=submit]')")
        browser.evaluate("document.querySelector('button[type=submit]').click()")
        words = browser.wait_for("document.querySelector('#sandbox .verdict')?.innerText", 60)
        assert "the pool" in words
        browser.screenshot(picture)
        assert browser.errors == []
    assert 10_000 < committed.stat().st_size < 200_000
