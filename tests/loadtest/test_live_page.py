"""The tab Pool in Locust's page, and what it asks for: in front of a target that answers like both services."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from browser import Browser
from lab.store import RunStore
from support.documents import run_document
from support.eventually import eventually_sync
from support.locust import Target, WebUi, serving

pytestmark = pytest.mark.slow

SHOWN = "document.querySelector('#sandbox-pool')?.hidden === false"
DRAWN = "!!document.querySelector('#live-pool .js-plotly-plot .scatterlayer path')"


def _click_tab(browser: Browser, name: str) -> None:
    browser.evaluate(
        f"[...document.querySelectorAll('[role=tab]')].find((tab) => tab.textContent.trim() === {name!r}).click()"
    )


def _lines(answer: dict[str, Any], figure: str) -> dict[str, list[float | None]]:
    found = next(one["figure"] for one in answer["figures"] if one["name"] == figure)
    return {trace["name"]: trace["y"] for trace in found["data"]}


def test_only_new_points_are_answered_and_the_last_run_stays(
    web_ui: WebUi, variables: dict[str, str], target: Target
) -> None:
    """Nothing before the first run; all of another run; that of before a restart, from its document."""
    assert web_ui.json("/lab/pool.json")["run"] is None
    assert web_ui.json("/lab/pool.json")["pool"]["sentence"].startswith("0 of 4 connections busy")
    web_ui.start(run_time="4s")
    eventually_sync(lambda: web_ui.json("/lab/pool.json")["next"] >= 2, 20)
    first = web_ui.json("/lab/pool.json?since=0")
    assert first["run"]["state"] == "running"
    assert first["run"]["limit"]["bottleneck"] == "pool"
    assert first["run"]["limit"]["advice"] == ""
    assert len(_lines(first, "rate")["succeeded"]) == first["next"]
    assert max(rate or 0 for rate in _lines(first, "rate")["succeeded"]) > 0
    assert set(_lines(first, "pool")) >= {"busy", "idle", "waiting", "max"}
    assert "machine" in _lines(first, "cpu")
    run, known = first["run"]["id"], first["next"]
    more = web_ui.json(f"/lab/pool.json?run={run}&since={known}")
    assert more["from"] == known
    assert len(_lines(more, "rate").get("succeeded", [])) == more["next"] - known
    assert web_ui.json("/lab/pool.json?run=another&since=2")["from"] == 0
    document = web_ui.finished(0)
    ended = web_ui.json("/lab/pool.json")
    assert (ended["run"]["id"], ended["run"]["state"]) == (run, "ended")
    assert ended["run"]["limit"]["advice"] == document["verdict"]["advice"]["words"]
    RunStore(Path(variables["LAB_RUNS_DIR"])).write(
        run_document("zz", label="of another Locust", started_at=datetime(2100, 1, 1, tzinfo=UTC))
    )
    assert web_ui.json("/lab/pool.json")["run"]["name"] == "of another Locust"
    Path(variables["LAB_RUNS_DIR"], "zz.json").unlink()
    assert web_ui.json("/lab/pool.json")["run"]["id"] == run
    with serving(variables, target) as again:
        saved = again.json("/lab/pool.json")
        assert (saved["run"]["id"], saved["run"]["state"]) == (run, "ended")
        assert len(_lines(saved, "rate")["succeeded"]) == len(document["series"])
        known = saved["next"]
        assert again.json(f"/lab/pool.json?run={run}&since={known}")["next"] == known


@pytest.mark.browser
def test_the_tab_shows_the_run_and_hides_with_it(web_ui: WebUi) -> None:
    """Locust's contract: a tab of ours, its key in the address, role=tablist; its panel stays empty for our view."""
    web_ui.start(run_time="60s")
    with Browser(1280, 720) as browser:
        browser.open(web_ui.url)
        browser.wait_for(
            "[...document.querySelectorAll('[role=tab]')].some((tab) => tab.textContent.trim() === 'Pool')"
        )
        assert browser.evaluate(SHOWN) is False
        _click_tab(browser, "Pool")
        browser.wait_for(SHOWN, 3)
        assert "tab=sandbox-pool" in browser.evaluate("location.search")
        browser.wait_for(DRAWN)
        assert browser.evaluate("document.querySelectorAll('#sandbox-pool .worker .slot').length") == 4
        assert "of 4 connections busy" in browser.text()
        under = "document.querySelector('[role=tablist]').getBoundingClientRect().bottom"
        assert browser.evaluate(f"document.querySelector('#sandbox-pool').getBoundingClientRect().top >= {under} - 1")
        points = "document.querySelector('#live-rate .js-plotly-plot').data[0].x.length"
        before = browser.evaluate(points)
        browser.wait_for(f"{points} > {before}", 10)
        browser.wait_for(
            "document.querySelector('#sandbox-pool .limit')?.innerText.includes('requests waited') ||"
            "document.querySelector('#sandbox-pool .limit')?.innerText.includes('Requests waited')"
        )
        _click_tab(browser, "Statistics")
        browser.wait_for(f"!({SHOWN})", 3)
        browser.open(f"{web_ui.url}/?tab=sandbox-pool")
        browser.wait_for(DRAWN)
        assert browser.evaluate(points) >= before, "a page that is loaded again has the run from its beginning"
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth") is True
        assert browser.errors == []


APPENDED = """import('./static/live_figures.js').then(({ appended }) => {
  const trace = (name, legendrank, x, y) => ({ name, legendrank, x, y });
  const first = appended(undefined, { data: [trace('b', 2, [1, 2], [5, 6])], layout: {} }, 3);
  const more = appended(first, { data: [trace('a', 1, [3, 4], [7, 8])], layout: { title: 'new' } }, 3);
  return [first.data.length, more.layout.title, more.data.map((one) => [one.name, one.x, one.y])];
})"""


@pytest.mark.browser
def test_new_points_are_appended_by_the_names_of_their_lines(web_ui: WebUi) -> None:
    """A line that is new has gaps before, one that is missing gaps after; the oldest points go."""
    with Browser(1280, 720) as browser:
        browser.open(f"{web_ui.url}/lab/pool")
        browser.wait_for("document.body?.innerText.includes('No run yet')")
        a, b = ["a", [2, 3, 4], [None, 7, 8]], ["b", [2, 3, 4], [6, None, None]]
        assert browser.evaluate(APPENDED) == [1, "new", [a, b]]


@pytest.mark.browser
def test_the_page_of_its_own_is_there_before_the_first_run(web_ui: WebUi) -> None:
    """Locust shows no tabs then; on a phone's width; without its server it shows that."""
    with Browser(390, 844) as browser:
        browser.open(f"{web_ui.url}/lab/pool")
        browser.wait_for("document.body?.innerText.includes('No run yet')")
        web_ui.start(run_time="2s")
        browser.wait_for(DRAWN)
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth") is True
        web_ui.finished(0)
        browser.wait_for("document.body.innerText.includes('has ended')")
        assert browser.evaluate("!!document.querySelector('.live-head a')") is True
        browser.evaluate("window.fetch = () => Promise.reject(new Error('no connection')), true")
        browser.wait_for("document.body.innerText.includes('does not answer: no connection')")
        assert browser.errors == []
