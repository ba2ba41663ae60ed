"""What a user sees on opening Locust's UI for the first time, in a real browser."""

import json
import urllib.request

import pytest

from browser import Browser
from support.locust import WebUi

OVERLAPS = """(() => {
  const box = document.getElementById('sandbox').getBoundingClientRect();
  return [...document.querySelectorAll('#root button, #root input, #root [role=tab]')]
    .map((one) => [one, one.getBoundingClientRect()])
    .filter(([, r]) => r.width && r.bottom > box.top + 1 && r.top < box.bottom - 1)
    .map(([one]) => one.textContent || one.name);
})()"""


@pytest.mark.timing
@pytest.mark.browser
def test_from_the_start_form_to_the_verdict(web_ui: WebUi) -> None:
    """Three lines explain what to press; the verdict appears without a reload, and a link to the runs."""
    with Browser(1400, 900) as browser:
        browser.open(web_ui.url)
        browser.wait_for(
            "!!document.querySelector('#sandbox .intro') && !!document.querySelector('button[type=submit]')"
        )
        assert browser.evaluate("document.querySelectorAll('#sandbox .intro li').length") == 3
        assert "Press START" in browser.text()
        assert browser.evaluate("document.querySelector('input[name=userCount]').value") == "8"
        for size in ((1400, 900), (1000, 700)):
            browser.resize(*size)
            assert browser.evaluate(OVERLAPS) == []
            bottom = "document.querySelector('button[type=submit]').getBoundingClientRect().bottom"
            assert browser.evaluate(bottom) <= size[1], "START is out of sight"
        browser.evaluate("document.querySelector('button[type=submit]').click()")
        browser.wait_for("!!document.querySelector('#sandbox .status')")
        assert "max connections" in browser.text()
        browser.wait_for("!!document.querySelector('#sandbox .verdict')")
        for size in ((1000, 700), (1400, 900)):
            browser.resize(*size)
            assert browser.evaluate(OVERLAPS) == []
        bar = browser.evaluate("document.getElementById('sandbox').innerText")
        assert "Limit: the pool" in bar
        assert "Last run here, " in bar
        assert "the link does not answer at http://127.0.0.1:" in bar
        assert "no answer" not in bar
        assert "Set PROXY_MAX_CONNECTIONS=" in bar
        assert "Runs" not in browser.evaluate(
            "[...document.querySelectorAll('[role=tab]')].map((one) => one.textContent)"
        )
        browser.evaluate("document.querySelector('#sandbox .open').click()")
        row = browser.wait_for("document.querySelector('#runs tr')?.innerText")
        assert "requests waited" in row
        assert "Limit: the pool" in row
        assert browser.errors == []


@pytest.mark.browser
def test_failures_are_red_in_the_banner(web_ui: WebUi) -> None:
    """Whatever the verdict is: how many, and of what."""
    web_ui.start(request_path="/boom")
    failures = web_ui.finished(0)["totals"]["failures"]
    with Browser(1400, 900) as browser:
        browser.open(web_ui.url)
        words = browser.wait_for("document.querySelector('#sandbox .verdict .failed')?.innerText")
        assert f"{failures} of {failures}" in words
        assert f"503 pool_exhausted {failures}" in words
        colour = browser.evaluate("getComputedStyle(document.querySelector('#sandbox .verdict .failed')).color")
        assert colour == "rgb(185, 28, 28)"
        assert browser.errors == []


@pytest.mark.browser
def test_a_page_without_its_server_shows_it(web_ui: WebUi) -> None:
    """Neither the status bar nor the list of runs stays as it was, or empty."""
    with Browser(1000, 700) as browser:
        browser.open(web_ui.url)
        browser.wait_for("!!document.querySelector('#sandbox .intro')")
        refuse = "window.fetch = () => Promise.reject(new Error('no connection'))"
        browser.evaluate(f"{refuse}, true")
        browser.wait_for("document.getElementById('sandbox').innerText.includes('does not answer: no connection')")
        browser.command("Page.addScriptToEvaluateOnNewDocument", source=refuse)
        browser.open(f"{web_ui.url}/lab/")
        browser.wait_for("document.body?.innerText.includes('The runs could not be fetched: no connection')")
        assert browser.errors == []


@pytest.mark.browser
def test_what_the_form_refuses_stands_at_its_field(web_ui: WebUi) -> None:
    """In sight on a small page; the same again the second time; gone as soon as the field is corrected."""
    line = "document.querySelector('form .mistake')"
    with Browser(1000, 500) as browser:
        browser.open(web_ui.url)
        browser.wait_for("!!document.querySelector('#sandbox .intro') && !!document.querySelector('input[name=host]')")
        for name, bad in (("host", "nonsense"), ("requestPath", "work")):
            browser.type(f"input[name={name}]", bad)
            for _ in range(2):
                browser.evaluate(f"{line}?.remove(), document.querySelector('button[type=submit]').click()")
                browser.wait_for(f"{line}?.textContent.includes('is not allowed')")
                browser.wait_for(f"{line}.getBoundingClientRect().bottom <= innerHeight && {line}.checkVisibility()", 5)
                assert browser.evaluate(f"{line}.getBoundingClientRect().top") >= 0
                assert browser.evaluate(f"{line}.parentElement.querySelector('input').name") == name
                browser.evaluate("scrollTo(0, 0)")
            browser.type(f"input[name={name}]", web_ui.target.url if name == "host" else "/work")
            assert browser.evaluate("document.querySelectorAll('form .mistake').length") == 0
        assert browser.errors == []


@pytest.mark.browser
def test_what_no_field_is_to_blame_for_is_brought_into_sight(web_ui: WebUi) -> None:
    """Locust shows it beneath all fields, which is off screen on a small page."""
    alert = "document.querySelector('#root [role=alert]')"
    with Browser(1000, 500) as browser:
        browser.open(web_ui.url)
        browser.wait_for("!!document.querySelector('#sandbox .intro') && !!document.querySelector('input[name=host]')")
        lock = {"holder": "test", "note": "pid 7"}
        put = f"fetch('lab/run-lock', {{method: 'PUT', body: '{json.dumps(lock)}'}}).then((one) => one.status)"
        assert browser.evaluate(put) == 200
        browser.wait_for("document.getElementById('sandbox').innerText.includes('command line is on (pid 7)')")
        browser.evaluate("document.querySelector('button[type=submit]').click()")
        browser.wait_for(f"{alert}?.textContent.includes('command line is on (pid 7)')")
        browser.wait_for(f"{alert}.getBoundingClientRect().bottom <= innerHeight", 5)
        assert browser.evaluate(f"{alert}.getBoundingClientRect().top") >= 0
        assert browser.errors == []


@pytest.mark.browser
def test_the_network_in_force_and_its_change_during_a_run_are_in_sight(linked_ui: tuple[WebUi, str]) -> None:
    """By a real relay: conditions, measurement, what it cannot do; then what was changed while a run was under way."""
    ui, link = linked_ui
    ui.target.faults = ["STATUS_503 rate=0.05"]
    with Browser(1000, 700) as browser:
        ui.start(run_time="")
        browser.open(ui.url)
        shown = "document.getElementById('sandbox').innerText"
        browser.wait_for("!!document.querySelector('#sandbox .status')")
        before = browser.wait_for(f"{shown}.includes('ms measured') && {shown}")
        words = ("cross-region, RTT ", "idle drop after 3 s (silent)", "partition 900s-903s (blackhole)", "(relay, ")
        assert [one for one in words if one not in before] == []
        assert "STATUS_503 rate=0.05" in before
        assert browser.evaluate("document.querySelector('#sandbox details li').checkVisibility()") is False
        browser.evaluate("document.querySelector('#sandbox summary').click()")
        ask = urllib.request.Request(f"{link}/-/config", json.dumps({"NET_RTT_MS": 20}).encode(), method="PUT")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(ask, timeout=10) as answer:
            assert answer.status == 200
        ui.target.faults = []
        browser.wait_for("document.querySelectorAll('#sandbox .changed del').length === 2")
        assert browser.evaluate("document.querySelector('#sandbox .changed del').title") == "when the run began"
        assert browser.evaluate("document.querySelector('#sandbox details li').checkVisibility()") is True
        ui.text("/stop", post=True)
        changed = browser.wait_for("document.querySelector('#sandbox .verdict .during')?.innerText")
        expected = (
            "Changed during the run: NET_RTT_MS unset \u2192 20, UPSTREAM_FAULT STATUS_503 rate=0.05 \u2192 unset."
        )
        assert changed.strip() == expected
        assert browser.evaluate(OVERLAPS) == []
        bar_width = browser.evaluate("document.querySelector('#sandbox .status').scrollWidth")
        assert bar_width <= browser.evaluate("document.documentElement.clientWidth")
        browser.open(f"{ui.url}/lab/")
        row = browser.wait_for("document.querySelector('#runs tr:has(.because)')?.textContent")
        assert "network cross-region, RTT " in row
        assert "Changed during the run: NET_RTT_MS unset \u2192 20" in row
        assert browser.errors == []
