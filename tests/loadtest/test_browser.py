"""What somebody sees who opens Locust's UI for the first time, in a real browser."""

from typing import Any

import pytest

from browser import Browser

PRESS = "[...document.querySelectorAll('{}')].find((one) => one.textContent.trim() === '{}').click()"
OVERLAPS = """(() => {
  const box = document.getElementById('sandbox').getBoundingClientRect();
  return [...document.querySelectorAll('#root button, #root input, #root [role=tab]')]
    .map((one) => [one, one.getBoundingClientRect()])
    .filter(([, r]) => r.width && r.bottom > box.top + 1 && r.top < box.bottom - 1)
    .map(([one]) => one.textContent || one.name);
})()"""


@pytest.mark.browser
def test_from_the_start_form_to_the_verdict(web_ui: Any) -> None:
    """Three lines say what to press; it is pressed; the verdict and a row in the Runs tab appear without a reload."""
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
        browser.wait_for("!!document.querySelector('#sandbox .strip')")
        assert "max connections" in browser.text()
        browser.wait_for("!!document.querySelector('#sandbox .verdict')")
        for size in ((1000, 700), (1400, 900)):
            browser.resize(*size)
            assert browser.evaluate(OVERLAPS) == []
        strip = browser.evaluate("document.getElementById('sandbox').innerText")
        assert "Limit: the pool" in strip
        assert "Last run here, " in strip
        assert "the link does not answer at http://127.0.0.1:" in strip
        assert "no answer" not in strip
        assert "Set PROXY_MAX_CONNECTIONS=" in strip
        browser.evaluate(PRESS.format("[role=tab]", "Runs"))
        row = browser.wait_for(
            "[...document.querySelectorAll('#root tbody tr')].map((one) => one.innerText)"
            ".find((text) => text.includes('requests waited'))"
        )
        assert "Set PROXY_MAX_CONNECTIONS=" in row
        assert browser.wait_for("document.querySelector('#root tbody td').title").endswith(
            browser.evaluate("document.querySelector('#root tbody td').innerText.slice(-4)")
        )
        assert browser.errors == []


@pytest.mark.browser
def test_failures_are_red_in_the_banner(web_ui: Any) -> None:
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
def test_what_the_form_refuses_is_brought_into_sight(web_ui: Any) -> None:
    """Locust says it beneath all fields, which is off screen on a small one; the same again the second time."""
    alert = "document.querySelector('#root [role=alert]')"
    with Browser(1000, 500) as browser:
        browser.open(web_ui.url)
        browser.wait_for("!!document.querySelector('#sandbox .intro') && !!document.querySelector('input[name=host]')")
        browser.evaluate(
            "(() => { const field = document.querySelector('input[name=host]');"
            "Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(field, 'nonsense');"
            "field.dispatchEvent(new Event('input', {bubbles: true})); })()"
        )
        for _ in range(2):
            browser.evaluate("document.querySelector('button[type=submit]').click()")
            browser.wait_for(f"{alert}?.textContent.includes('is not allowed')")
            browser.wait_for(f"{alert}.getBoundingClientRect().bottom <= innerHeight", 5)
            assert browser.evaluate(f"{alert}.getBoundingClientRect().top") >= 0
            browser.evaluate("scrollTo(0, 0)")
        assert browser.errors == []


@pytest.mark.browser
def test_two_runs_are_compared_by_ticking_them(web_ui: Any) -> None:
    """Labels are shown as they were typed, whatever is in them."""
    web_ui.start(run_label="<i>ten</i>")
    web_ui.finished(0)
    web_ui.start(run_label="twenty", user_count=4)
    web_ui.finished(1)
    with Browser(1000, 700) as browser:
        browser.open(f"{web_ui.url}/lab/")
        browser.wait_for("document.querySelectorAll('#runs input').length === 2")
        assert "<i>ten</i>" in browser.text()
        browser.evaluate("[...document.querySelectorAll('#runs input')].forEach((box) => box.click())")
        browser.evaluate("document.getElementById('compare').click()")
        browser.wait_for(
            "!document.getElementById('comparison').hidden && !!document.querySelector('#comparison table')"
        )
        comparison = browser.evaluate("document.getElementById('comparison').innerText")
        assert "LOCUST_USERS" in comparison
        assert "throughput, requests/s" in comparison
        assert browser.evaluate("document.querySelector('#runs a').target") == "_blank"
        browser.open(f"{web_ui.url}/lab/?run=nosuch")
        browser.wait_for("document.getElementById('comparison')?.innerText === 'No such run: nosuch'")
        assert browser.errors == []
