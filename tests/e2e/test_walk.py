"""From `up` to a comparison of two pool sizes in the browser alone, as a new user clicks; a screenshot of each screen.

The screenshots are kept in SCREENSHOTS_DIR (a folder of pytest's own if it is unset), to be looked at.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.loop import Say

from browser import Browser
from support.real_sandbox import RealSandbox, real_sandbox

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

MOST_CLICKS, MOST_SECONDS = 10, 120
PATIENCE_SECONDS = 90
FORM = "!!document.querySelector('#sandbox .intro') && !!document.querySelector('form [name=userCount]')"
VERDICT = "!!document.querySelector('#sandbox .verdict')"


class Walk:
    """A user at a browser: clicks what is in sight and counts it, types into what was clicked."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self.browser, self.clicks = browser, 0
        self._folder = folder

    def click(self, found: str) -> None:
        """Click with the mouse in the middle of an element, scrolled into sight; `found` is JavaScript."""
        self.browser.wait_for(f"!!({found})?.checkVisibility({{visibilityProperty: true}})")
        time.sleep(0.4)  # what unfolds has come to rest
        box = "one.scrollIntoView({block: 'center'}); const box = one.getBoundingClientRect();"
        middle = "[box.left + box.width / 2, box.top + box.height / 2]"
        x, y = self.browser.evaluate(f"(() => {{ const one = {found}; {box} return {middle}; }})()")
        for kind in ("mousePressed", "mouseReleased"):
            self.browser.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=3)
        self.clicks += 1

    def type(self, text: str) -> None:
        """Type over what the click has selected."""
        self.browser.command("Input.insertText", text=text)

    def keep(self, name: str) -> None:
        time.sleep(0.3)
        self.browser.screenshot(self._folder / f"{name}.png")


def button(words: str) -> str:
    return f"[...document.querySelectorAll('button')].filter((one) => one.textContent.trim() === '{words}').at(-1)"


def field(name: str) -> str:
    return f"[...document.querySelectorAll('form [name={name}]')].at(-1)"


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
    """START; New, another pool size, START; two runs ticked, Compare."""
    began = time.monotonic()
    with Browser(1280, 720) as browser:
        walk = Walk(browser, folder)
        browser.open(sandbox.url)
        browser.wait_for(FORM)
        walk.keep("1-start")
        walk.click(button("Start"))
        browser.wait_for("!!document.querySelector('#sandbox .settings')")
        walk.keep("2-running")
        browser.wait_for(VERDICT, PATIENCE_SECONDS)
        walk.keep("3-verdict")
        walk.click(button("New"))
        walk.click(button("Custom parameters"))
        walk.click(field("proxyMaxConnections"))
        walk.type("40")
        walk.keep("4-form")
        walk.click(button("Start"))
        browser.wait_for("document.querySelector('#sandbox')?.innerText.includes('Differs from .env')")
        walk.keep("5-differs")
        browser.wait_for(VERDICT, PATIENCE_SECONDS)
        walk.keep("6-second-verdict")
        walk.click("document.querySelector('#sandbox .open')")
        browser.wait_for("document.querySelectorAll('#runs input').length === 2")
        for number in (1, 2):
            walk.click(f"document.querySelector('#runs > :nth-child({number}) input')")
        walk.keep("7-runs")
        walk.click("document.querySelector('#compare')")
        words = browser.wait_for("location.pathname.endsWith('compare.html') && document.body?.innerText")
        walk.keep("8-comparison")
        assert "PROXY_MAX_CONNECTIONS" in words
        assert browser.errors == []
    seconds = time.monotonic() - began
    say(f"two pool sizes in the browser: {walk.clicks} clicks, {seconds:.0f} s")
    assert walk.clicks <= MOST_CLICKS
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
