"""From `up` to a comparison of two pool sizes in the browser alone, as a new user clicks; a screenshot of each screen.

The screenshots are kept in SCREENSHOTS_DIR (a folder of pytest's own if it is unset), to be looked at.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.loop import Say
from e2e.walk import (
    FORM,
    MOST_CLICKS,
    MOST_SECONDS,
    PATIENCE_SECONDS,
    Walk,
    button,
    compare_two_pool_sizes,
    field,
)

from browser import Browser
from support.real_sandbox import RealSandbox, real_sandbox

pytestmark = [pytest.mark.e2e, pytest.mark.browser]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    kept = Path(os.environ.get("SCREENSHOTS_DIR") or tmp_path / "screenshots")
    kept.mkdir(parents=True, exist_ok=True)
    return kept


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RealSandbox]:
    with real_sandbox(tmp_path / "runs", LOCUST_USERS=40, LOCUST_RUN_TIME="8s") as running:
        yield running


@pytest.mark.timing
def test_two_pool_sizes_compared_by_the_form(sandbox: RealSandbox, folder: Path, say: Say) -> None:
    clicks, seconds = compare_two_pool_sizes(sandbox.url, folder)
    say(f"two pool sizes in the browser: {clicks} clicks, {seconds:.0f} s")
    assert clicks <= MOST_CLICKS
    assert seconds <= MOST_SECONDS


def test_the_advice_applied_by_its_button(sandbox: RealSandbox, folder: Path, say: Say) -> None:
    """START, then one button: the comparison opens by itself. Reset takes the pool back."""
    with Browser(1280, 720) as browser:
        walk = Walk(browser, folder)
        browser.open(sandbox.url)
        browser.wait_for(FORM)
        walk.click(button("Start"))
        browser.wait_for(f"!!({button('Apply and run again')})", PATIENCE_SECONDS)
        walk.keep("advice-1-verdict")
        walk.click(button("Apply and run again"))
        browser.wait_for("document.querySelector('#sandbox')?.innerText.includes('Differs from .env')")
        browser.wait_for(f"!!(window.kept = {button('Reset')}) && (window.kept.focus(), true)")
        second = "document.querySelector('#sandbox .now')?.textContent"
        browser.wait_for(f"{second} !== {json.dumps(browser.evaluate(second))}")
        assert browser.evaluate("window.kept.isConnected && document.activeElement === window.kept")
        walk.keep("advice-2-running")
        words = browser.wait_for(
            "location.pathname.endsWith('compare.html') && document.body?.innerText", PATIENCE_SECONDS
        )
        walk.keep("advice-3-comparison")
        assert "PROXY_MAX_CONNECTIONS" in words
        assert "advised" in words
        say(f"the advice in the browser: {walk.clicks} clicks")
        assert walk.clicks == 2
        browser.open(sandbox.url)
        walk.click(button("Reset"))
        browser.wait_for("!!document.querySelector('#sandbox') && !document.querySelector('#sandbox .differing')")
        assert sandbox.settings()["PROXY_MAX_CONNECTIONS"] == 10
        assert browser.errors == []


def test_mock_and_link_are_read_and_changed_on_a_page(sandbox: RealSandbox, folder: Path) -> None:
    """A mistake stands at its field and nothing is changed; then rules and network are in force, and seen."""
    with Browser(1280, 720) as browser:
        walk = Walk(browser, folder)
        browser.open(f"{sandbox.url}/lab/services/")
        browser.wait_for("!!document.querySelector('#settings .fields') && !!document.querySelector('#link dl')")
        walk.click("document.getElementById('UPSTREAM_FAULT')")
        walk.type("STATUS_503 rate=0.5")
        walk.click("document.getElementById('NET_RTT_MS')")
        walk.type("far")
        walk.click(button("Apply"))
        line = browser.wait_for("document.querySelector('#NET_RTT_MS + .mistake')?.textContent")
        assert line.startswith("NET_RTT_MS='far': ")
        walk.keep("services-mistake")
        assert sandbox.settings()["UPSTREAM_FAULT"] is None
        walk.click("document.getElementById('NET_RTT_MS')")
        walk.type("4")
        walk.click(button("Apply"))
        browser.wait_for("document.querySelector('#settings [role=status]').textContent.startsWith('In force now')")
        browser.wait_for("document.getElementById('upstream').innerText.includes('STATUS_503 rate=0.5')")
        browser.wait_for("document.getElementById('link').innerText.includes('rtt_ms 4')")
        walk.keep("services-changed")
        assert browser.evaluate("document.querySelectorAll('#settings .differs').length") == 2
        walk.click(button("Reset to .env"))
        browser.wait_for("document.querySelectorAll('#settings .differs').length === 0")
        assert sandbox.settings()["NET_RTT_MS"] is None
        assert browser.errors == []


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (390, False), (390, True)])
def test_the_form_on_a_phone_and_in_the_dark(sandbox: RealSandbox, folder: Path, width: int, dark: bool) -> None:
    """Nothing is wider than the page, every field of ours is there, a mistake stands beneath its field."""
    with Browser(width, 720) as browser:
        walk = Walk(browser, folder)
        if dark:
            browser.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        browser.open(sandbox.url)
        browser.wait_for(FORM)
        walk.click(button("Custom parameters"))
        walk.click(field("upstreamLatency"))
        walk.type("about a second")
        walk.click(button("Start"))
        browser.wait_for("document.querySelector('form .mistake')?.checkVisibility()")
        time.sleep(0.6)
        walk.keep(f"form-{width}-{'dark' if dark else 'light'}")
        assert "UPSTREAM_LATENCY='about a second'" in browser.evaluate(
            "document.querySelector('form .mistake').textContent"
        )
        wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert browser.evaluate(wider) == 0
        assert sandbox.ask("/lab/health")[1]["state"] == "ready"
        assert browser.errors == []
