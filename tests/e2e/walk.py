"""A user at a browser, who clicks from the start form to a comparison; a screenshot of each screen."""

import time
from pathlib import Path

from browser import Browser

MOST_CLICKS, MOST_SECONDS = 10, 120
PATIENCE_SECONDS = 90
FORM = "!!document.querySelector('#sandbox .intro') && !!document.querySelector('form [name=userCount]')"
RUNNING = "!!document.querySelector('#sandbox .settings') && !document.querySelector('#sandbox .verdict')"
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
        """Type over what the field has; that the three clicks selected it is not sure on a busy machine."""
        self.browser.evaluate("document.activeElement.select()")
        self.browser.command("Input.insertText", text=text)

    def keep(self, name: str) -> None:
        time.sleep(0.3)
        self.browser.screenshot(self._folder / f"{name}.png")


def button(words: str) -> str:
    return f"[...document.querySelectorAll('button')].filter((one) => one.textContent.trim() === '{words}').at(-1)"


def field(name: str) -> str:
    return f"[...document.querySelectorAll('form [name={name}]')].at(-1)"


def compare_two_pool_sizes(url: str, folder: Path) -> tuple[int, float]:
    """START; New, another pool size, START; two runs ticked, Compare. Return the clicks and the seconds it took."""
    began = time.monotonic()
    with Browser(1280, 720) as browser:
        walk = Walk(browser, folder)
        browser.open(url)
        browser.wait_for(f"({FORM}) || !!({button('New')})")
        if not browser.evaluate(FORM):  # another run has been made here
            walk.click(button("New"))
        walk.keep("1-start")
        walk.click(button("Start"))
        browser.wait_for(RUNNING)
        walk.keep("2-running")
        browser.wait_for(VERDICT, PATIENCE_SECONDS)
        walk.keep("3-verdict")
        walk.click(button("New"))
        walk.click(button("Custom parameters"))
        walk.click(field("proxyMaxConnections"))
        walk.type("40")
        walk.keep("4-form")
        walk.click(button("Start"))
        browser.wait_for(f"{RUNNING} && document.querySelector('#sandbox').innerText.includes('Differs from .env')")
        walk.keep("5-differs")
        browser.wait_for(VERDICT, PATIENCE_SECONDS)
        walk.keep("6-second-verdict")
        walk.click("document.querySelector('#sandbox .open')")
        browser.wait_for("document.querySelectorAll('#runs input').length >= 2")
        for number in (1, 2):
            walk.click(f"document.querySelector('#runs > :nth-child({number}) input')")
        walk.keep("7-runs")
        walk.click("document.querySelector('#compare')")
        words = browser.wait_for("location.pathname.endsWith('compare.html') && document.body?.innerText")
        walk.keep("8-comparison")
        assert "PROXY_MAX_CONNECTIONS" in words
        assert browser.errors == []
    return walk.clicks, time.monotonic() - began
