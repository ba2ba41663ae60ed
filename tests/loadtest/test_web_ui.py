"""The web UI: what is added to Locust's pages, and runs started from its form."""

import csv
import io
import os
import signal

import pytest

from support.locust import WebUi

pytestmark = pytest.mark.slow


def test_runs_from_the_form_are_recorded_and_shown(web_ui: WebUi) -> None:
    """Two runs: complete, listed newest first, and side by side in a comparison."""
    assert web_ui.json("/lab/health") == {"state": "ready", "workers": 1, "run_id": None}
    assert web_ui.start(run_label="first")["success"]
    first = web_ui.finished(0)
    assert web_ui.start(run_label="second", user_count=4, spawn_rate=4)["success"]
    second = web_ui.finished(1)
    for run in (first, second):
        assert run["totals"]["requests"] == web_ui.target.received[run["id"]] > 0
        assert run["audit"]["agreed"]
        assert run["mode"] == "ui"
        assert run["settings"]["start"]["load"]["LOCUST_RUN_TIME"] == "1s"
    assert [run["name"] for run in web_ui.json("/lab/runs.json")] == ["second", "first"]
    comparison = web_ui.json(f"/lab/compare.json?run={first['id']}&run={second['id']}")
    assert [row["name"] for row in comparison["settings"]] == ["LOCUST_USERS"]
    assert [row["name"] for row in comparison["derived"]] == ["LOCUST_SPAWN_RATE"]
    table = list(csv.DictReader(io.StringIO(web_ui.text("/lab/runs.csv"))))
    assert [row["label"] for row in table] == ["second", "first"]
    live = web_ui.json("/lab/live.json?since=0")
    assert live["last"]["id"] == second["id"]
    assert live["last"]["audit"].startswith("every request and connection is accounted for (")
    assert sum(point["requests"] for point in live["points"]) == second["totals"]["requests"]


def test_before_any_run_services_that_do_not_answer_are_named(web_ui: WebUi) -> None:
    """The link does not answer here."""
    assert web_ui.json("/lab/runs.json") == []
    (sentence,) = web_ui.json("/lab/live.json")["silent"]
    assert sentence.startswith("the link does not answer at http://127.0.0.1:")
    assert sentence.endswith("see `docker compose logs link`")


def test_a_run_without_a_label_has_one_name_everywhere(web_ui: WebUi) -> None:
    """In the status bar, the list of runs and the comparison."""
    web_ui.start()
    run = web_ui.finished(0)
    name = f"{run['started_at'][5:10]} {run['started_at'][11:16]} {run['id'][-4:]}"
    live = web_ui.json("/lab/live.json")
    assert live["last"]["name"] == name
    assert live["last"]["advice"] == run["verdict"]["advice"]["words"] != ""
    (row,) = web_ui.json("/lab/runs.json")
    assert (row["name"], row["advice"], row["limit"]) == (
        name,
        run["verdict"]["advice"]["words"],
        live["last"]["limit"],
    )
    assert web_ui.json(f"/lab/compare.json?run={run['id']}&run={run['id']}")["runs"] == [name, name]


def test_idle_locust_logs_its_address_and_no_tables(web_ui: WebUi) -> None:
    """A line that it starts, a line with where it serves, and nothing about pressing enter."""
    web_ui.wait_until_announced()
    process = web_ui.process
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read() == ""
    err = web_ui.log + process.stderr.read()
    assert "Starting web interface" in err
    assert f"locust: {web_ui.url}" in err.splitlines()
    assert "press enter" not in err
    assert "Aggregated" not in err
    assert len(err.splitlines()) < 8, err


def test_the_script_is_added_to_locusts_page(web_ui: WebUi) -> None:
    """The page that is added to is no stable interface of Locust's: this fails when it has changed."""
    page = web_ui.text("/")
    assert page.count("</body>") == 1
    assert page.index("./lab/static/sandbox.js") < page.index("</body>")
    assert "Compare" in web_ui.text("/lab/")
    for name in ("sandbox.js", "render.js", "page.js", "runs.js", "sandbox.css"):
        assert "http" not in web_ui.text(f"/lab/static/{name}"), "nothing is fetched from elsewhere"


def test_a_form_that_cannot_be_run_with_starts_nothing(web_ui: WebUi) -> None:
    """Locust itself would take it."""
    answer = web_ui.start(request_path="work")
    assert answer["success"] is False
    assert answer["message"] == "Request path 'work' is not allowed; allowed: a path that begins with /"
    assert web_ui.json("/lab/health")["state"] == "ready"


def test_reset_in_the_middle_of_a_run_loses_no_request(web_ui: WebUi) -> None:
    """The run's status is reset, and its counts still agree."""
    web_ui.start(run_time="2s")
    web_ui.busy()
    web_ui.text("/stats/reset", post=True)
    run = web_ui.finished(0)
    assert run["status"] == "reset"
    assert run["whole"]["requests"] == web_ui.target.received[run["id"]]
    assert sum(point["requests"] for point in run["series"]) == run["whole"]["requests"]


def test_stop_and_the_end_of_the_process(web_ui: WebUi) -> None:
    """STOP ends a run without an end of its own; Ctrl-C in the next one keeps that too, and exits 130."""
    web_ui.start(run_time="")
    web_ui.busy()
    web_ui.text("/stop", post=True)
    stopped = web_ui.finished(0)
    assert stopped["status"] == "finished"
    assert stopped["settings"]["start"]["load"]["LOCUST_RUN_TIME"] is None
    assert stopped["audit"]["agreed"]
    web_ui.start(run_time="")
    web_ui.busy()
    os.killpg(web_ui.process.pid, signal.SIGINT)
    _, err = web_ui.process.communicate(timeout=30)
    assert web_ui.process.returncode == 130, err
    assert "Traceback" not in err
    assert sum(web_ui.target.received.values()) > stopped["totals"]["requests"]
