"""Headless runs of a real Locust against a small target: the counts agree to the last request."""

import json
import os
import signal
from pathlib import Path

import pytest

from lab.run_document import RunDocument
from support.eventually import eventually_sync
from support.locust import RunLocust, Target
from support.servers import free_port

pytestmark = pytest.mark.slow


def only_run(folder: Path) -> RunDocument:
    """Return the one run that was saved."""
    (path,) = folder.glob("*.json")
    return RunDocument.model_validate_json(path.read_text())


def assert_complete(run: RunDocument, target: Target) -> None:
    """Locust's count, the target's, and the sum over the series are one."""
    assert run.whole is not None
    assert run.whole.requests == target.received[run.id] > 0
    assert run.audit.agreed, run.audit
    assert sum(point.requests for point in run.series) == run.whole.requests
    assert sum(run.latency_ms.histogram.values()) == run.totals.requests


@pytest.mark.parametrize("processes", ["", "2"], ids=["one process", "two processes"])
def test_a_run_is_complete(run_locust: RunLocust, target: Target, tmp_path: Path, processes: str) -> None:
    """In one process, and with a master that would be gone before its workers have reported."""
    with run_locust(
        LOCUST_HEADLESS="true", LOCUST_PROCESSES=processes, LAB_RUN_ID="mine", LAB_RUN_GROUP="ours", LAB_PROGRESS="true"
    ) as process:
        out, err = process.communicate(timeout=40)
    run = only_run(tmp_path / "runs")
    assert process.returncode == 0, err
    assert_complete(run, target)
    assert (run.id, run.group, run.mode, run.status, run.users) == ("mine", "ours", "headless", "finished", 8)
    assert run.processes == (2 if processes else 1)
    assert run.generator.cpu_cores is not None
    assert run.settings.start.load is not None
    assert run.settings.start.load["LOCUST_RUN_TIME"] == "1s"
    assert run.audit.missing == []
    assert run.settings.start.network is None
    *seconds, last = [json.loads(line) for line in out.splitlines()]
    assert last == {"run_id": "mine", "document": str(tmp_path / "runs" / "mine.json")}
    assert all(set(second) >= {"t_seconds", "rps", "p50_ms", "pool_waiting"} for second in seconds)
    assert "Traceback" not in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.parametrize("processes", ["", "2"], ids=["one process", "two processes"])
def test_an_interrupted_run_is_kept(
    run_locust: RunLocust, target: Target, tmp_path: Path, number: signal.Signals, code: int, processes: str
) -> None:
    """Its users finish the request they have in hand, so its counts agree too; Ctrl-C reaches the whole group."""
    with run_locust(LOCUST_HEADLESS="true", LOCUST_PROCESSES=processes, LOCUST_RUN_TIME="5m") as process:
        eventually_sync(lambda: sum(target.received.values()) >= 60, 20)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, err = process.communicate(timeout=30)
    run = only_run(tmp_path / "runs")
    assert process.returncode == code, err
    assert run.status == "interrupted"
    assert_complete(run, target)
    assert "Traceback" not in err


def test_the_proxys_own_errors_are_counted_by_code(run_locust: RunLocust, target: Target, tmp_path: Path) -> None:
    """And a run whose requests fail is recorded all the same."""
    with run_locust(LOCUST_HEADLESS="true", LAB_REQUEST_PATH="/boom") as process:
        _, err = process.communicate(timeout=40)
    run = only_run(tmp_path / "runs")
    assert process.returncode == 0, err
    assert run.errors == {"503 pool_exhausted": run.totals.requests}
    assert run.totals.failures == run.totals.requests > 0
    assert "Aggregated" in err  # without the web UI Locust's tables are the only ones


def test_no_service_answers_and_no_listener_raises(run_locust: RunLocust, tmp_path: Path) -> None:
    """A closed port at every address: failures by class, witnesses missing, and no storm of attempts."""
    closed = f"http://127.0.0.1:{free_port()}"
    with run_locust(LOCUST_HEADLESS="true", LOCUST_HOST=closed, LAB_UPSTREAM_CONTROL_URL=closed) as process:
        _, err = process.communicate(timeout=40)
    run = only_run(tmp_path / "runs")
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert run.errors == {"ConnectionRefusedError": run.totals.requests}
    assert run.audit.missing == ["proxy", "upstream"]
    assert 8 <= run.totals.requests < 8 * 20
