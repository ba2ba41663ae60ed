"""The figures of runs, by what they hold; and the page that they are on, in a browser."""

import csv
import io
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from browser import Browser
from lab.account.places import Place
from lab.account.window import Window
from lab.audit import audit
from lab.comparison.compare import compare
from lab.figures.audit import audit_picture
from lab.figures.chart import BAD, GOOD, QUIET, SERIES
from lab.figures.distribution import distribution, quantiles
from lab.figures.html_page import DARK, LIGHT, Cell, html_page
from lab.figures.places import COLOURS, place_of, sentence
from lab.figures.report import report_sections
from lab.figures.run_page import run_sections
from lab.figures.run_series import run_series
from lab.figures.side_by_side import differences, overlaid, run_colours, time_of_each
from lab.figures.waterfall import account_waterfall, slow_requests
from lab.objective import ObjectiveOutcome
from lab.prediction.prediction import Prediction
from lab.run_document import (
    KindFigures,
    LatencyMs,
    Ledger,
    PartSettings,
    RunDocument,
    SeriesPoint,
    SettingsAtEnds,
    SlowRequest,
)
from lab.store import csv_text, summarise
from lab.witnesses import Arrivals, Audit, AuditCheck, ProxyWitness, UpstreamWitness, Witnesses
from support.documents import account, run_document
from support.fake_clone import FakeClone
from support.simulated_runs import simulated

PHASES = [
    "admission",
    "thread_wait",
    "pool_wait",
    "connect",
    "tls",
    "send",
    "upstream_queue",
    "upstream",
    "network",
    "body",
    "proxy",
    "other",
]


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _run(**changes: Any) -> RunDocument:
    """A run with everything that a figure shows."""
    points = [
        SeriesPoint(t_seconds=t + 1.0, users=20, requests=100, failures=10, p50_ms=90.0, p99_ms=200.0, pool_active=t)
        for t in range(5)
    ]
    checks = [
        AuditCheck(name="a = b", left=5, right=5, difference=0, message="5 = 5"),
        AuditCheck(name="b = c", left=5, right=4, difference=1, message="5 = 4 + 1 lost"),
    ]
    slowest = [SlowRequest(total_ms=300.0, phases_ms={"pool_wait": 200.0, "upstream": 100.0})]
    return run_document(
        **{
            "attribution": account({Place.POOL_WAIT: 150.0, Place.UPSTREAM_WORK: 100.0, Place.DNS: 0.01}),
            "window": Window(begin_seconds=1.0, end_seconds=4.0, steady=True),
            "series": points,
            "latency_ms": LatencyMs(mean=100, p50=90, p99=200, histogram={90.0: 98, 200.0: 1, 300.0: 1}),
            "ledger": Ledger(entries=100, dropped=0, slowest_requests=1, slowest=slowest),
            "audit": Audit(agreed=False, checks=checks),
            "objective": ObjectiveOutcome(text="p99 < 1s, failures < 1%", holds=True, bounds=[]),
            **changes,
        }
    )


def test_each_place_has_a_colour_of_its_own_that_is_seen_on_both_pages() -> None:
    assert COLOURS.keys() == set(Place)
    assert len(set(COLOURS.values())) == len(COLOURS)
    for colour in (*COLOURS.values(), *SERIES, GOOD, BAD, QUIET):
        for theme in (LIGHT, DARK):
            assert _contrast(colour, theme["paper"]) >= 3


def test_each_phase_of_the_ledger_has_a_place() -> None:
    assert all(place_of(phase) for phase in PHASES)
    assert place_of("total") is None


def test_the_waterfall_has_each_place_begin_where_the_one_before_ended() -> None:
    """In the order of a request's way; one of a thousandth part is left out."""
    found = account_waterfall(account({Place.UPSTREAM_WORK: 100.0, Place.POOL_WAIT: 150.0, Place.DNS: 0.01}))
    for trace in found["data"]:
        assert trace["y"] == ["pool wait", "upstream work"]
        assert (trace["base"], trace["x"]) == ([0.0, 150.0], [150.0, 100.0])
        assert trace["marker"]["color"] == [COLOURS[Place.POOL_WAIT], COLOURS[Place.UPSTREAM_WORK]]
        assert trace["customdata"][0] == ["60.0%", sentence(Place.POOL_WAIT), "proxy"]


def test_slow_requests_are_divided_by_phase_in_the_places_colours() -> None:
    requests = [
        SlowRequest(total_ms=300.0, phases_ms={"pool_wait": 200.0, "upstream": 100.0}),
        SlowRequest(total_ms=250.0, phases_ms={"upstream": 250.0}),
    ]
    wait, work = slow_requests(requests)["data"]
    assert (wait["name"], wait["x"], wait["marker"]["color"]) == ("pool wait", [200.0, 0], COLOURS[Place.POOL_WAIT])
    assert (work["name"], work["x"]) == ("upstream work", [100.0, 250.0])
    assert wait["y"] == ["1. 300 ms<br>pool wait 67%", "2. 250 ms<br>upstream work 100%"]


def test_a_slow_request_is_named_after_where_it_was_held_up() -> None:
    """Not after the upstream's work, if anything else took a tenth."""
    phases = {"upstream": 100.0, "pool_wait": 30.0, "connect": 40.0, "proxy": 2.0}
    (bar, *_) = slow_requests([SlowRequest(total_ms=172.0, phases_ms=phases)])["data"]
    assert bar["y"] == ["1. 172 ms<br>connect 23%"]


def test_the_series_marks_the_steady_part_and_leaves_out_what_was_not_measured() -> None:
    found = run_series(_run())
    by_name = {trace["name"]: trace for trace in found["data"]}
    assert by_name.keys() == {"succeeded", "failed", "p99", "p50", "busy"}
    assert by_name["succeeded"]["y"] == [90.0] * 5
    assert by_name["failed"]["y"] == [10.0] * 5
    steady = found["layout"]["shapes"][0]
    assert (steady["x0"], steady["x1"]) == (1.0, 4.0)
    assert run_series(_run(window=None, pool=None))["layout"]["shapes"] == []


def test_the_distribution_has_measured_and_predicted_quantiles_and_the_objective() -> None:
    forecast = {
        **dict.fromkeys(("throughput_rps", "latency_mean_ms", "pool_wait_mean_ms", "pool_wait_p99_ms"), 1.0),
        **dict.fromkeys(("pool_utilisation", "cpu_utilisation", "generator_utilisation", "timed_out_share"), 0.0),
        "latency_p50_ms": 95.0,
        "latency_p99_ms": 210.0,
    }
    found = distribution([_run(prediction=Prediction.model_validate({"forecast": forecast}))])
    measured, predicted = found["data"]
    assert (measured["customdata"], measured["y"]) == ([0.98, 0.99], [90.0, 200.0])
    assert (predicted["customdata"], predicted["y"]) == ([0.5, 0.99], [95.0, 210.0])
    assert predicted["x"][1] == measured["x"][1]
    assert [shape["y0"] for shape in found["layout"]["shapes"]] == [1000.0]


def test_a_distribution_of_many_values_keeps_its_tail() -> None:
    found = quantiles({float(ms): 1 for ms in range(100_000)})
    assert len(found) < 900
    assert found[-1] == (0.99999, 99_998.0)


def test_the_audit_has_a_bar_for_each_witness_and_shows_between_which_two_counts_differ() -> None:
    seen = Witnesses(
        locust_requests=10,
        locust_failures=1,
        proxy=ProxyWitness(received=10, answered=9, failed=1, aborted=0),
        upstream=UpstreamWitness(started=8, completed=8, abandoned=0),
    )
    found = audit_picture(_run(witnesses=seen, audit=audit(seen)))
    bars = [(trace["y"][0], trace["name"], trace["x"][0]) for trace in found["data"]]
    assert bars == [
        ("Locust", "succeeded", 9),
        ("Locust", "failed", 1),
        ("proxy", "answered", 9),
        ("proxy", "failed", 1),
        ("upstream", "completed", 8),
    ]
    agree, differ = found["layout"]["annotations"]
    assert (agree["y"], agree["text"], agree["font"]["color"]) == (0.5, "<b>=  agree</b>", GOOD)
    assert (differ["y"], differ["text"], differ["font"]["color"]) == (1.5, "<b>\u2260  1 differ</b>", BAD)
    assert differ["hovertext"] == "1 answers of the proxy were never completed by the upstream"


def test_without_a_witness_there_is_no_bar_and_no_sign() -> None:
    found = audit_picture(_run())
    assert [trace["y"] for trace in found["data"]] == [["Locust"]]
    assert found["layout"]["annotations"] == []


def test_each_kind_of_user_has_a_row_and_its_dropped_requests_stand_out() -> None:
    latency = LatencyMs(p50=100, p99=200)
    arrivals = Arrivals(scheduled=50, started=48, dropped=2, late=3)
    kinds = [
        KindFigures(kind="closed", requests=100, failures=0, rps=10.0, latency_ms=latency),
        KindFigures(kind="open(5/s)", requests=48, failures=1, rps=4.8, latency_ms=latency, arrivals=arrivals),
    ]
    (section,) = [one for one in run_sections(_run(kinds=kinds)) if one.heading == "Kinds of users"]
    _, closed, opened = section.rows
    assert closed == ("closed", "100", Cell("0"), "10.0", "100 ms", "200 ms", "-", "-", "-")
    assert opened[2:3] == (Cell("1", "bad"),)
    assert opened[-3:] == ("50", "3", Cell("2", "bad"))
    assert summarise(_run(kinds=kinds)).kinds == "closed, open(5/s)"


def test_a_report_of_several_runs_compares_them_first() -> None:
    runs = [_run(), _run(run_id="20261120T120000Z-0002", label="twenty")]
    headings = [section.heading for section in report_sections(runs)]
    assert headings[0] == "Side by side"
    assert headings.count("Where the time went") == 2


def test_a_difference_within_its_noise_is_grey() -> None:
    """Twice the throughput is not, and p50 is the same."""
    drawn = random.Random(3)
    first, other = simulated(drawn, rps=90.0), simulated(drawn, rps=180.0)
    (found,) = differences(compare([first, other.model_copy(update={"id": "20261120T120000Z-0002"})]))["data"]
    colours = dict(zip(found["y"], found["marker"]["color"], strict=True))
    ratios = dict(zip(found["y"], found["x"], strict=True))
    assert ratios["throughput"] == pytest.approx(2, rel=0.2)
    assert colours["throughput"] == SERIES[1]
    assert colours["connections busy, mean"] == QUIET


def test_the_time_of_each_run_is_divided_in_the_places_colours() -> None:
    runs = [_run(), _run(run_id="20261120T120000Z-0002", attribution=account({Place.UPSTREAM_WORK: 100.0}))]
    wait, work = time_of_each(runs)["data"]
    assert wait["y"] == ["ten 0001", "ten 0002"]
    assert (wait["x"], work["x"]) == ([150.0, 0.0], [100.0, 100.0])
    assert work["marker"]["color"] == COLOURS[Place.UPSTREAM_WORK]


def test_seconds_are_overlaid_from_the_moment_when_all_users_are_there() -> None:
    rate, slow = overlaid([_run()])["data"]
    assert rate["x"] == slow["x"] == [1.0, 2.0, 3.0]
    assert (rate["y"], slow["y"]) == ([90.0] * 3, [200.0] * 3)


def test_repeats_have_one_colour_in_all_figures_of_a_comparison() -> None:
    drawn = random.Random(3)
    ids = ("one", "two", "three")
    settings = [
        SettingsAtEnds(start=part, end=part) for part in (PartSettings(proxy={"A": 1}), PartSettings(proxy={"A": 2}))
    ]
    runs = [
        simulated(drawn).model_copy(update={"id": name, "settings": settings[number]})
        for name, number in zip(ids, (0, 1, 0), strict=True)
    ]
    assert run_colours(runs) == [SERIES[0], SERIES[1], SERIES[0]]
    assert [trace["line"]["color"] for trace in overlaid(runs)["data"]][::2] == run_colours(runs)


def test_a_run_without_figures_has_a_report_too() -> None:
    """A document of an older version, or of a run in which the proxy did not answer."""
    headings = [section.heading for section in report_sections([run_document()])]
    assert headings == ["ten: limited by the pool", "Settings"]


def test_a_line_of_figures_for_each_run() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(map(summarise, [_run(), run_document()])))))
    assert [row["p99_ms"] for row in rows] == ["200.0", "230.0"]
    assert rows[0]["bottleneck"] == "pool"


@pytest.mark.slow
def test_the_command_writes_a_page_and_prints_its_path_last(tmp_path: Path) -> None:
    """Unwrapped, however long; --json and --csv print that and nothing else."""
    clone = FakeClone(tmp_path)
    (tmp_path / "runs").mkdir()
    for number, label in ((1, "ten"), (2, "twenty")):
        run = _run(run_id=f"20261120T120000Z-000{number}", label=label)
        (tmp_path / "runs" / f"{run.id}.json").write_text(run.model_dump_json())
    done = clone.run("report", "ten", "twenty")
    assert (done.returncode, done.stderr) == (0, "")
    path = Path(done.stdout.splitlines()[-1])
    assert path.parent == tmp_path / "runs" / "reports"
    assert path.stat().st_size < 6e6
    assert not re.search(r'(?:src|href)="(?!data:)', path.read_text().partition("<script")[0])
    documents = json.loads(clone.run("report", "ten", "--json").stdout)
    assert [one["label"] for one in documents] == ["ten"]
    missing = clone.run("report", "thirty")
    assert (missing.returncode, missing.stderr) == (
        2,
        "no run has the id or the label 'thirty'; ./sandbox runs lists them\n",
    )


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_draws_all_figures_from_disk(tmp_path: Path, width: int, scheme: str) -> None:
    """In both themes, nothing wider than a phone, and no error of a script."""
    path = tmp_path / "report.html"
    sections = report_sections([_run(), _run(run_id="20261120T120000Z-0002", label="twenty")])
    path.write_text(html_page("Two <runs>", sections))
    with Browser(width, 900) as browser:
        browser.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        browser.open(path.as_uri())
        drawn = "[...document.querySelectorAll('.figure')].every((one) => one.querySelector('.main-svg'))"
        browser.wait_for(f"document.querySelectorAll('.figure').length === 14 && {drawn}")
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        paper = browser.evaluate("getComputedStyle(document.querySelector('.main-svg')).backgroundColor")
        assert paper == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(13, 17, 23)")
        browser.screenshot(tmp_path / "report.png")
        assert browser.errors == []
