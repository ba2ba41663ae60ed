"""What a verdict makes of an open load."""

import pytest

from lab.prediction.from_settings import ReportedSettings
from lab.prediction.workload import Forecast
from lab.run_document import SeriesPoint
from lab.verdict.facts import Facts
from lab.verdict.judge import judge
from lab.verdict.run_model import RunModel
from lab.witnesses import Arrivals, Witnesses
from support.documents import run_document


def open_run(dropped: int = 0, late: int = 0) -> Facts:
    arrivals = Arrivals(scheduled=1000, started=1000 - dropped, dropped=dropped, late=late)
    point = SeriesPoint(t_seconds=1.0, users=20, requests=100, failures=0, pool_active=10, pool_waiting=35)
    witnesses = Witnesses(locust_requests=1000 - dropped, locust_failures=0, arrivals=arrivals)
    return Facts(run_document(witnesses=witnesses, series=[point]))


def test_as_many_requests_are_under_way_as_were_seen() -> None:
    assert Facts(run_document()).at_once == 20
    assert open_run().at_once == 45


@pytest.mark.parametrize(("dropped", "late", "mentioned"), [(9, 9, False), (10, 0, True), (0, 10, True)])
def test_arrivals_that_were_dropped_or_late_are_a_caveat(dropped: int, late: int, mentioned: bool) -> None:
    found = [
        caveat.because for caveat in judge(open_run(dropped, late).run, None).caveats if caveat.about == "arrivals"
    ]
    assert bool(found) is mentioned
    assert all(("dropped" in because, "late" in because) == (dropped > 0, late > 0) for because in found)


def test_a_forecast_of_too_much_load_has_no_p50(monkeypatch: pytest.MonkeyPatch) -> None:
    """More connections end the overload: what the figures were before is known of some of them only."""
    enough = Forecast(
        throughput_rps=120,
        latency_mean_ms=105,
        latency_p99_ms=110,
        latency_p50_ms=104,
        pool_wait_mean_ms=1,
        pool_wait_p99_ms=5,
        pool_utilisation=0.6,
        cpu_utilisation=0.2,
        generator_utilisation=0.1,
        timed_out_share=0,
    )
    monkeypatch.setattr(RunModel, "_before", {"succeeded_rps": 100.0, "failed_share": 0.2})
    monkeypatch.setattr(RunModel, "_forecast", lambda *_: enough)
    run = run_document()
    figures = RunModel(run, ReportedSettings({}, {}, {}, {}, None)).figures({"PROXY_MAX_CONNECTIONS": 20})
    assert figures == {"succeeded_rps": pytest.approx(1.2 * run.totals.succeeded_rps), "failed_share": 0.0}
