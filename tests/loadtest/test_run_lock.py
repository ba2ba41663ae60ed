"""One run at a time: the form's, or the command line's."""

import urllib.error
import urllib.request

import pytest

from lab.wire.locust import RunLock
from loadtest import run_lock
from loadtest.run_lock import RunLocks
from support.locust import NO_PROXY, WebUi

CLI, OTHER = RunLock(holder="a", note="pid 7"), RunLock(holder="b", note="pid 8")


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of the locks, in seconds."""
    at = [100.0]
    monkeypatch.setattr("loadtest.run_lock.time.monotonic", lambda: at[0])
    return at


def test_start_is_refused_while_the_lock_is_held(now: list[float]) -> None:
    """Until it is released, or its holder has not renewed it for long."""
    locks = RunLocks()
    assert locks.take(CLI, ui_is_busy=False) is None
    refused = locks.begin()
    assert refused is not None
    assert "a run from the command line is on (pid 7)" in refused
    assert locks.take(OTHER, ui_is_busy=False) == "another run is on (pid 7)"
    locks.release(OTHER)
    now[0] += run_lock.LEASE_SECONDS - 1
    assert locks.take(CLI, ui_is_busy=True) is None, "a renewal is not refused"
    now[0] += run_lock.LEASE_SECONDS - 1
    assert locks.other_run == "pid 7"
    now[0] += 2
    assert locks.begin() is None


def test_the_lock_is_refused_from_start_on(now: list[float]) -> None:
    """Before the run is recorded, too; one that never came to that blocks nothing for long."""
    locks = RunLocks()
    assert locks.take(CLI, ui_is_busy=True) == "a run is on in the Locust UI"
    assert locks.begin() is None
    assert locks.take(CLI, ui_is_busy=False) == "a run is on in the Locust UI"
    locks.started()
    assert locks.take(CLI, ui_is_busy=False) is None
    locks.release(CLI)
    assert locks.begin() is None
    now[0] += run_lock.STARTING_SECONDS + 1
    assert locks.take(CLI, ui_is_busy=False) is None


def put(web_ui: WebUi, lock: RunLock, method: str = "PUT") -> int:
    request = urllib.request.Request(f"{web_ui.url}/lab/run-lock", lock.model_dump_json().encode(), method=method)
    try:
        with NO_PROXY.open(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)


@pytest.mark.slow
def test_the_form_and_the_command_line_exclude_each_other(web_ui: WebUi) -> None:
    assert put(web_ui, CLI) == 200
    refused = web_ui.start()
    assert refused["success"] is False
    assert refused["message"].startswith("a run from the command line is on (pid 7)")
    assert web_ui.json("/lab/live.json")["other_run"] == "pid 7"
    assert put(web_ui, CLI, "DELETE") == 200
    assert web_ui.start(user_count="0.5")["success"] is False
    assert put(web_ui, CLI) == 200, "a form that was refused starts nothing"
    assert put(web_ui, CLI, "DELETE") == 200
    assert web_ui.start()["success"] is True
    assert put(web_ui, CLI) == 409
    web_ui.finished(0)
    assert put(web_ui, CLI) == 200
