"""The list of runs, a run's page and the comparison, in a real browser."""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import Browser
from lab.account.places import Place
from lab.conclusion import Advice, Verdict
from lab.run_document import Host, PartSettings, RunDocument, SettingsAtEnds
from lab.store import RunStore
from support.documents import account, run_document
from support.eventually import eventually_sync
from support.locust import NO_PROXY, Target, WebUi, run_variables, serving
from support.simulated_runs import simulated

pytestmark = pytest.mark.browser

DRAWN = "[...document.querySelectorAll('.figure')].filter((one) => one.querySelector('.main-svg')).length"
TEXT = "document.querySelector('main').innerText"
WIDTH = "document.documentElement.scrollWidth"


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with Target() as serving_target:
        yield serving_target


@pytest.fixture(scope="module")
def variables(target: Target, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return run_variables(target, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def web_ui(variables: dict[str, str], target: Target) -> Iterator[WebUi]:
    """One Locust for all of these: most only read what is in its folder."""
    with serving(variables, target) as ui:
        yield ui


@pytest.fixture(autouse=True)
def store(variables: dict[str, str], target: Target) -> RunStore:
    """Return the folder of runs, emptied."""
    target.dead = False
    found = RunStore(Path(variables["LAB_RUNS_DIR"]))
    for path in found.directory.glob("*.json"):
        path.unlink()
    return found


def run(number: int, connections: int = 10, rps: float = 90.0, **changes: Any) -> RunDocument:
    """A run with all that a page shows of one."""
    part = PartSettings(
        load={"LOCUST_USERS": 20},
        proxy={
            "PROXY_CLIENT": "httpx",
            "PROXY_MAX_CONNECTIONS": connections,
            "PROXY_MAX_KEEPALIVE_CONNECTIONS": connections,
        },
        upstream={"UPSTREAM_LATENCY": "constant(100ms)"},
    )
    place = account({Place.POOL_WAIT: 1000 / connections, Place.UPSTREAM_WORK: 100.0})
    own = {
        "id": f"r{number}",
        "label": f"c{connections}",
        "settings": SettingsAtEnds(start=part, end=part, derived=["PROXY_MAX_KEEPALIVE_CONNECTIONS"]),
        "attribution": place,
    }
    return simulated(random.Random(number), rps=rps).model_copy(update={**own, **changes})


def test_two_runs_are_compared_by_ticking_them(web_ui: WebUi) -> None:
    """Labels are shown as they were typed, whatever is in them. From the list to a run, and to two of them."""
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
        browser.wait_for(f"location.pathname.endsWith('compare.html') && {DRAWN} >= 3")
        comparison = browser.evaluate(TEXT)
        assert "LOCUST_USERS" in comparison
        assert "throughput requests/s" in comparison
        browser.evaluate("[...document.querySelectorAll('.links a')].find((a) => a.innerText === '<i>ten</i>').click()")
        browser.wait_for(f"location.pathname.includes('/runs/') && {DRAWN} >= 3")
        assert "The link did not answer: its settings and figures are missing." in browser.evaluate(TEXT)
        browser.open(f"{web_ui.url}/lab/?run=nosuch")
        browser.wait_for("document.getElementById('error')?.innerText === 'No such run: nosuch'")
        assert browser.errors == []


def test_a_runs_page_has_its_figures_and_lines_to_copy(web_ui: WebUi, store: RunStore) -> None:
    """In Locust's theme, nothing wider than the screen; a key is enough to copy; interrupted: how long it was."""
    advice = Advice(words="Set PROXY_MAX_CONNECTIONS=20.", set={"PROXY_MAX_CONNECTIONS": 20})
    verdict = Verdict(bottleneck="pool", because="requests waited", advice=advice)
    store.write(run(1, verdict=verdict, status="interrupted"))
    with Browser(1280, 700) as browser:
        browser.command("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
        browser.command("Emulation.setFocusEmulationEnabled", enabled=True)
        browser.open(f"{web_ui.url}/lab/health")
        for width, theme, paper in ((1280, "light", "rgb(255, 255, 255)"), (390, "dark", "rgb(13, 17, 23)")):
            browser.resize(width, 700)
            browser.evaluate(f"localStorage.setItem('theme', '{theme}')")
            browser.open(f"{web_ui.url}/lab/runs/r1.html")
            browser.wait_for(f"{DRAWN} === 2 && document.readyState === 'complete'")
            assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == paper
            assert browser.evaluate(WIDTH) <= width
        words = browser.evaluate(TEXT)
        for each in ("c10: limited by the pool", "was interrupted after 10 s", "keep-alive\n10", "constant(100ms)"):
            assert each in words
        browser.evaluate("document.querySelector('.paste button').focus()")
        enter: dict[str, Any] = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        for kind in ("keyDown", "keyUp"):
            browser.command("Input.dispatchKeyEvent", type=kind, **enter)
        browser.wait_for("document.querySelector('.paste button').innerText === 'Copied'")
        assert browser.evaluate("navigator.clipboard.readText()") == "PROXY_MAX_CONNECTIONS=20"
        assert browser.errors == []


def test_a_comparison_shows_concerns_and_greys_what_is_noise(web_ui: WebUi, store: RunStore) -> None:
    """Repeats share a column; what differs is in the text's colour, what does not in grey."""
    hosts = {10: Host(cores=2, busy_share=0.1), 12: Host(cores=2, busy_share=0.1), 20: Host(cores=2, busy_share=0.6)}
    for number, connections, rps in ((1, 10, 90.0), (2, 10, 90.0), (3, 12, 90.0), (4, 20, 175.0)):
        store.write(run(number, connections, rps, host=hosts[connections]))
    with Browser(1000, 700) as browser:
        browser.open(f"{web_ui.url}/lab/?run=r1&run=r2&run=r3&run=r4")
        browser.wait_for(f"{DRAWN} === 4")
        words = browser.evaluate(TEXT)
        for each in (
            "the machine was not equally busy: 10%, 10%, 60% of its CPU",
            "c10 (2 runs)",
            "PROXY_MAX_KEEPALIVE_CONNECTIONS (follows)",
            "pool wait",
            "the spread of 2 repeats",
        ):
            assert each in words
        throughput = "[...document.querySelectorAll('tr')].find((row) => row.innerText.startsWith('throughput'))"
        cells = f"[...{throughput}.cells].slice(2).map((one) => [one.innerText, getComputedStyle(one).color])"
        (same, grey), (twice, black) = browser.evaluate(cells)
        assert "x1.0" in same or "x0.9" in same
        assert "x1.8" in twice or "x1.9" in twice or "x2.0" in twice
        assert (grey, black) == ("rgb(89, 99, 110)", "rgb(31, 35, 40)")
        assert browser.errors == []


def test_the_advice_is_applied_from_a_runs_page_and_ends_in_the_comparison(web_ui: WebUi, store: RunStore) -> None:
    """A reload in the middle of the run loses nothing; its own page is there once it is over."""
    advice = Advice(words="Run more users.", set={"LOCUST_USERS": 8})
    start = PartSettings(load={"LOCUST_USERS": 4, "LOCUST_SPAWN_RATE": 4, "LOCUST_RUN_TIME": "3s"})
    settings = SettingsAtEnds(start=start, end=start)
    store.write(run(1, settings=settings, verdict=Verdict(bottleneck="none", because="few users", advice=advice)))
    web_ui.start(run_label="the last run is not the one whose advice is applied")
    web_ui.finished(1)
    with Browser(1280, 720) as browser:
        browser.open(f"{web_ui.url}/lab/runs/r1.html")
        browser.wait_for("!!document.querySelector('.apply button')")
        browser.evaluate("document.querySelector('.apply button').click()")
        browser.wait_for("location.pathname === '/' && !!document.querySelector('#sandbox .status')")
        eventually_sync(lambda: web_ui.json("/lab/health")["run_id"] is not None, 10)
        under_way = web_ui.json("/lab/health")["run_id"]
        assert "This run is under way." in web_ui.text(f"/lab/runs/{under_way}.html")
        browser.open(web_ui.url)
        browser.wait_for(f"location.pathname.endsWith('compare.html') && {DRAWN} >= 3")
        assert re.search(r"LOCUST_USERS\s+4\s+8\b", browser.evaluate(TEXT))
        assert under_way in browser.evaluate("location.search")
        assert browser.errors == []


def test_a_service_that_dies_in_the_middle_is_named_on_the_runs_page(web_ui: WebUi) -> None:
    """What was measured until then is there; nothing is made up."""
    web_ui.start(run_time="3s")
    web_ui.busy()
    web_ui.target.dead = True
    run = web_ui.finished(0)
    with Browser(1280, 720) as browser:
        browser.open(f"{web_ui.url}/lab/runs/{run['id']}.html")
        browser.wait_for(f"{DRAWN} >= 2 && document.readyState === 'complete'")
        words = browser.evaluate(TEXT)
        assert "Incomplete, no answer from: proxy, upstream." in words
        assert "The proxy answered when the run began, and no longer when it ended" in words
        assert "The mock upstream answered when the run began, and no longer when it ended" in words
        assert browser.errors == []


def test_the_report_is_a_file_that_opens_from_disk(web_ui: WebUi, store: RunStore, tmp_path: Path) -> None:
    store.write(run(1))
    store.write(run(2, 20, 175.0))
    with NO_PROXY.open(f"{web_ui.url}/lab/report.html?run=r1&run=r2", timeout=30) as answer:
        assert answer.headers["content-disposition"] == 'attachment;filename="r1+r2.html"'
        path = tmp_path / "report.html"
        path.write_bytes(answer.read())
    assert path.stat().st_size < 6e6
    with Browser(1280, 720) as browser:
        browser.open(path.as_uri())
        browser.wait_for(f"{DRAWN} === 8")
        assert browser.evaluate("document.querySelectorAll('nav').length") == 0
        assert browser.errors == []


def test_behind_a_base_path_all_links_work(variables: dict[str, str], target: Target, store: RunStore) -> None:
    store.write(run(1))
    store.write(run(2, 20, 175.0))
    with serving(variables, target, LOCUST_WEB_BASE_PATH="/bench") as ui, Browser(1280, 720) as browser:
        browser.open(f"{ui.url}/lab/")
        browser.wait_for("document.querySelectorAll('#runs input').length === 2")
        browser.evaluate("document.querySelector('#runs a').click()")
        browser.wait_for(f"location.pathname === '/bench/lab/runs/r2.html' && {DRAWN} === 2")
        links = browser.evaluate("[...document.querySelectorAll('nav a')].map((one) => one.href)")
        for link in links:
            with NO_PROXY.open(link, timeout=30) as answer:
                assert answer.status == 200
        browser.open(f"{ui.url}/lab/compare.html?run=r1&run=r2")
        browser.wait_for(f"{DRAWN} === 4")
        browser.open(f"{ui.url}/lab/pool")
        browser.wait_for("!!document.querySelector('#view .slot') && !!document.querySelector('.js-plotly-plot')")
        assert browser.errors == []


def test_with_login_on_runs_are_behind_it(variables: dict[str, str], target: Target, store: RunStore) -> None:
    store.write(run(1))
    with serving(variables, target, LOCUST_WEB_LOGIN="true") as ui:
        for path in ("/lab/pool.json", "/lab/runs.json", "/lab/runs/r1.html", "/lab/report.html?run=r1"):
            assert "c10" not in ui.text(path)


def test_five_hundred_runs_are_listed_filtered_and_fit_a_phone(web_ui: WebUi, store: RunStore) -> None:
    for number in range(500):
        document = run_document(f"r{number:03}", label=f"label {number:03}")
        (store.directory / f"{document.id}.json").write_text(document.model_dump_json())
    with Browser(390, 844) as browser:
        browser.open(f"{web_ui.url}/lab/")
        browser.wait_for("document.querySelectorAll('#runs input').length === 500")
        assert browser.evaluate(WIDTH) <= 390
        shown = "[...document.querySelectorAll('#runs tr')].filter((one) => one.checkVisibility()).length"
        filtered = "(() => { filter.value = 'LABEL 123'; filter.dispatchEvent(new Event('input')); })()"
        browser.evaluate(filtered)
        assert browser.evaluate(shown) == 1
        assert browser.errors == []
