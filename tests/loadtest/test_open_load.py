"""Open loads of a real Locust: every arrival is started or counted as dropped, and times count from when it was due."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.run_document import RunDocument
from support.locust import RunLocust, Target

pytestmark = pytest.mark.slow

RATE = 200
SECONDS = 4

Run = Callable[..., RunDocument]


@pytest.fixture
def target() -> Iterator[Target]:
    """One that takes 60 requests at once."""
    with Target(limit=60) as serving:
        yield serving


@pytest.fixture
def run(run_locust: RunLocust, tmp_path: Path) -> Run:
    """Return a function that makes one run with these variables."""

    def make(kind: str, **more: str) -> RunDocument:
        with run_locust(
            LOCUST_HEADLESS="true", LAB_USER_KIND=kind, **{"LOCUST_RUN_TIME": f"{SECONDS}s", **more}
        ) as process:
            _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert "Traceback" not in err, err
        (path,) = (tmp_path / "runs").glob("*.json")
        return RunDocument.model_validate_json(path.read_text())

    return make


@pytest.mark.timing
@pytest.mark.parametrize("processes", ["", "2"], ids=["one process", "two processes"])
def test_every_arrival_starts_in_time(run: Run, target: Target, processes: str) -> None:
    found = run(f"open({RATE}/s, constant)", LOCUST_PROCESSES=processes)
    arrivals = found.witnesses.arrivals
    assert arrivals is not None
    assert arrivals.scheduled == arrivals.started + arrivals.dropped
    assert arrivals.started >= 0.99 * arrivals.scheduled
    assert found.whole is not None
    assert arrivals.started == found.whole.requests == target.received[found.id]
    assert found.audit.agreed, found.audit
    first, last = min(target.received_at), max(target.received_at)
    quarter = (last - first) / 4
    middle = [at for at in target.received_at if first + quarter <= at < last - quarter]
    assert len(middle) / (2 * quarter) == pytest.approx(RATE, rel=0.05)
    assert [row.kind for row in found.kinds] == [f"open({RATE}/s, constant)"]


@pytest.mark.timing
def test_response_times_count_from_when_a_request_was_due(run: Run, target: Target) -> None:
    """More arrives than can be served, so each waits longer than the last, and the response times say so.

    The reference is from the same arrivals: when each was due, and when the target had finished it. A run so short has
    no steady part, so its figures are of all requests.
    """
    target.limit_to(2)
    found = run(f"open({RATE}/s, constant)", LOCUST_RUN_TIME="1s")
    received, finished = sorted(target.received_at), sorted(target.finished_at)
    assert len(finished) == found.totals.requests
    began = min(at - number / RATE for number, at in enumerate(received))
    waits = [at - began - number / RATE for number, at in enumerate(finished)]
    assert found.latency_ms.mean == pytest.approx(1000 * sum(waits) / len(waits), rel=0.05)


def test_two_workers_send_what_is_due_without_waiting_for_answers(run: Run, target: Target) -> None:
    """Eight users in a closed load would wait for 8 requests / 2 at once * 20 ms = 80 ms."""
    target.limit_to(2)
    found = run(f"open({RATE}/s)", LOCUST_PROCESSES="2")
    assert (found.latency_ms.max or 0) > 500
    assert found.audit.agreed, found.audit


def test_what_finds_all_connections_busy_is_dropped_and_counted(run: Run, target: Target) -> None:
    target.limit_to(1)
    found = run(f"open({RATE}/s, poisson, in_flight=5)")
    arrivals = found.witnesses.arrivals
    assert arrivals is not None
    assert arrivals.scheduled == arrivals.started + arrivals.dropped
    assert arrivals.dropped > arrivals.started
    assert found.audit.agreed, found.audit
    assert "arrivals" in [caveat.about for caveat in found.verdict.caveats]


def test_several_kinds_have_a_row_each(run: Run, target: Target) -> None:
    """Eight users: two of them share the whole rate of the open load."""
    found = run("2 * closed(think=100ms); pace(200ms); open(50/s, constant)")
    rows = {row.kind: row for row in found.kinds}
    assert set(rows) == {"closed(think=100ms)", "pace(200ms)", "open(50/s, constant)"}
    assert sum(row.requests for row in rows.values()) == found.totals.requests
    assert rows["open(50/s, constant)"].rps == pytest.approx(50, rel=0.1)
    assert rows["pace(200ms)"].rps == pytest.approx(2 * 5, rel=0.15)
    assert rows["closed(think=100ms)"].rps == pytest.approx(4 / 0.12, rel=0.2)
    assert found.audit.agreed, found.audit
