"""A workload from the settings that services report, and what became of its prediction."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.backends.checkout import Checkout
from lab.backends.workspace import Workspace
from lab.cli.app import main
from lab.prediction.calibration import COSTS
from lab.prediction.correction import Correction
from lab.prediction.from_settings import ReportedSettings, Unpredictable
from lab.prediction.outcome import broken_assumption
from lab.prediction.predict import predict
from lab.prediction.prediction import MeasuredFigures, Prediction, Quantity, assumptions_of, prediction_of
from lab.prediction.promise import changed, promise, smallest
from lab.prediction.words import forecast_rows, outcome_rows
from lab.run_prediction import with_outcome
from lab.wire.mock import LatencyFigures
from support.documents import run_document
from support.reported import reported


def test_settings_become_a_workload() -> None:
    work = reported(PROXY_MAX_IN_FLIGHT=15, UPSTREAM_CAPACITY=8, UPSTREAM_CHUNKS=3, UPSTREAM_CHUNK_GAP_MS=50).workload()
    assert (work.users, work.connections, work.capacity, work.max_in_flight, work.workers) == (20, 10, 8, 15, 1)
    assert work.work.mean_seconds == 0.2
    assert work.travel_seconds == pytest.approx(0.1)
    assert work.pool_timeout_seconds == 5


@pytest.mark.parametrize(
    ("settings", "round_trips"),
    [
        ({}, 1),
        ({"UPSTREAM_MAX_REQUESTS_PER_CONNECTION": 4}, 1.25),
        ({"UPSTREAM_FRAMING": "close", "UPSTREAM_TLS": "1.2"}, 4),
        ({"PROXY_CLIENT": "httpx"}, 2),
        ({"PROXY_CLIENT": "httpx", "LOCUST_USERS": 5}, 1),
        ({"PROXY_CLIENT": "httpx", "PROXY_MAX_KEEPALIVE_CONNECTIONS": 10, "UPSTREAM_TLS": "on"}, 1),
    ],
)
def test_round_trips_are_those_of_requests_and_of_the_connections_they_open(
    settings: dict[str, Any], round_trips: float
) -> None:
    """httpx opens one for each request as soon as more are busy than may be idle (encode/httpcore#1000)."""
    found = reported(rtt_ms=40, **settings)
    assert found.round_trips() == round_trips
    assert found.workload().travel_seconds == pytest.approx(round_trips * 0.04)


def test_bandwidth_is_shared() -> None:
    """200 kB at 50 Mbit/s are 32 ms, one after the other: no more than 31 a second pass; a run had 30.0."""
    found = predict(reported(UPSTREAM_PAYLOAD_BYTES=200_000, bw_down_mbit=50).workload())
    assert found.throughput_rps == pytest.approx(30, rel=0.03)


def test_errors_of_the_upstream_are_no_throughput() -> None:
    whole, some = (predict(reported(UPSTREAM_ERROR_RATE=rate).workload()) for rate in (0.0, 0.2))
    assert some.throughput_rps == pytest.approx(0.8 * whole.throughput_rps)
    assert some.failed_share == pytest.approx(0.2)


def test_waiting_costs_cpu_where_the_client_looks_through_all_that_wait() -> None:
    quiet = reported(PROXY_CLIENT="httpx", PROXY_MAX_KEEPALIVE_CONNECTIONS=10, LOCUST_USERS=10)
    crowded = replace(quiet, load={**quiet.load, "LOCUST_USERS": 60})
    gated = replace(crowded, proxy={**crowded.proxy, "PROXY_QUEUE": "gate"})
    costs = [one.workload().cpu_seconds * 1e3 for one in (quiet, crowded, gated)]
    assert costs == pytest.approx([COSTS["httpx"].at(0), COSTS["httpx"].at(50), COSTS["httpx"].at(0)])
    assert costs[1] > 3 * costs[0]


@pytest.mark.parametrize(
    ("client", "queue", "places"),
    [("httpx", "client", 100), ("httpx", "gate", 10), ("pyreqwest", "client", 10), ("aiohttp", "client", 10)],
)
def test_over_http2_requests_have_as_many_places_as_the_client_makes_of_it(
    client: str, queue: str, places: int
) -> None:
    """httpcore opens one connection, of 100 streams; pyreqwest limits requests; aiohttp speaks HTTP/1.1."""
    both: dict[str, Any] = {"PROXY_HTTP2": True, "UPSTREAM_HTTP2": True, "UPSTREAM_TLS": "on"}
    settings = reported(PROXY_CLIENT=client, PROXY_QUEUE=queue, **both)
    assert settings.workload().connections == places
    assert settings.opened_per_request() == 0, "none is closed as one too many"


def test_httpx_needs_more_cpu_the_more_connections_are_open() -> None:
    """Measured: 2.7 ms a request with 50, 31 ms with 200 and 92 requests waiting."""
    for users, limit, cpu_ms in ((50, 50, 2.3), (200, 200, 22.3), (50, 200, 2.3), (300, 300, 52.3)):
        limits: dict[str, Any] = {"PROXY_MAX_CONNECTIONS": limit, "PROXY_MAX_KEEPALIVE_CONNECTIONS": limit}
        settings = reported(PROXY_CLIENT="httpx", LOCUST_USERS=users, **limits)
        assert settings.workload().cpu_seconds * 1e3 == pytest.approx(cpu_ms)


def test_a_deadline_that_cuts_many_off_is_not_modelled() -> None:
    """20 users on ten connections of 200 ms take 400 ms each."""
    assert prediction_of(reported(PROXY_TOTAL_TIMEOUT_SECONDS=1.0)).forecast is not None
    found = prediction_of(reported(PROXY_TOTAL_TIMEOUT_SECONDS=0.3))
    assert found.forecast is None
    assert str(found.unpredictable).startswith("PROXY_TOTAL_TIMEOUT_SECONDS=0.3: many requests would take longer")


def test_an_open_load_and_thinking_are_in_the_workload() -> None:
    arriving = reported(LAB_USER_KIND="open(40/s, constant)")
    work = arriving.workload()
    assert (work.arrivals_per_second, work.arrivals_scv, work.start_together) == (40.0, 0.0, False)
    assert predict(work).throughput_rps == pytest.approx(40, rel=0.01)
    assert "arrivals_rps" in [one.quantity for one in assumptions_of(arriving)]
    thinking = reported(LAB_USER_KIND="closed(think=2s)").workload()
    assert predict(thinking).throughput_rps == pytest.approx(20 / 2.2, rel=0.02)
    assert predict(thinking).latency_mean_ms == pytest.approx(200, rel=0.05)


@pytest.mark.parametrize(
    ("settings", "start"),
    [
        (reported(LAB_USER_KIND="pace(2s)"), "LAB_USER_KIND=pace"),
        (reported(LAB_USER_KIND="closed; open(5/s)"), "LAB_USER_KIND=closed; open"),
        (reported(LAB_SHAPE="ramp(20s)"), "LAB_SHAPE=ramp"),
        (reported(LAB_PATTERN="requests_session"), "LAB_PATTERN=requests_session: "),
        (reported(LAB_REQUEST_PATH="/get"), "LAB_REQUEST_PATH=/get: "),
        (reported(latency=None), "the upstream does not report"),
        (reported(PROXY_MAX_CONNECTIONS=None), "PROXY_MAX_CONNECTIONS was not reported"),
        (reported(PROXY_CLIENT="another"), "PROXY_CLIENT=another: "),
    ],
)
def test_what_the_model_does_not_cover_has_a_reason(settings: ReportedSettings, start: str) -> None:
    with pytest.raises(Unpredictable, match=start):
        settings.workload()
    found = prediction_of(settings)
    assert found.forecast is None
    assert str(found.unpredictable).startswith(start)
    assert forecast_rows(found) == [("none", f"no prediction: {found.unpredictable}")]
    assert outcome_rows(found) == []


def broken(settings: ReportedSettings, measured: MeasuredFigures, **found: float) -> Quantity | None:
    """Return the quantity that broke; fail if none did."""
    quantities: dict[Quantity, float] = {one.quantity: one.value for one in assumptions_of(settings)}
    result = broken_assumption(settings.workload(), assumptions_of(settings), measured, {**quantities, **found})  # type: ignore[dict-item]
    assert result is not None
    return result.quantity


def as_measured(settings: ReportedSettings, **changed: Any) -> MeasuredFigures:
    """Return what would be measured if the workload had these fields."""
    found = predict(replace(settings.workload(), **changed))
    return MeasuredFigures(**{name: getattr(found, name) for name in MeasuredFigures.model_fields})


def test_a_forecast_that_held_has_no_broken_assumption() -> None:
    settings = reported()
    assert broken_assumption(settings.workload(), assumptions_of(settings), as_measured(settings), {}) is None


@pytest.mark.parametrize(
    ("quantity", "value", "changed"),
    [
        ("proxy_cpu_ms", 30.0, {"cpu_seconds": 0.03}),
        ("generator_cpu_ms", 40.0, {"generator_cpu_seconds": 0.04}),
        ("travel_ms", 100.0, {"travel_seconds": 0.1}),
        ("users", 12.0, {"users": 12}),
    ],
)
def test_the_assumption_that_broke_is_named(quantity: str, value: float, changed: dict[str, Any]) -> None:
    settings = reported()
    assert broken(settings, as_measured(settings, **changed), **{quantity: value}) == quantity


def test_a_slower_upstream_is_named() -> None:
    settings = reported()
    slower = reported(latency=LatencyFigures(mean_ms=300, scv=0, strata_ms=((1.0, 300.0),)))
    assert broken(settings, as_measured(slower), upstream_ms=300.0) == "upstream_ms"


def test_failures_come_first() -> None:
    settings = reported()
    measured = as_measured(settings, cpu_seconds=0.03)
    assert broken(settings, measured, proxy_cpu_ms=30.0, failed_share=0.1) == "failed_share"


def test_what_no_assumption_explains_is_blamed_on_none_or_on_a_busy_machine() -> None:
    settings = reported()
    slow = MeasuredFigures(throughput_rps=20.0, pool_wait_mean_ms=400.0, latency_mean_ms=1000.0)
    assert broken(settings, slow) is None
    assert broken(settings, slow, machine_busy_share=0.99) == "machine_busy_share"


FAST = LatencyFigures(mean_ms=100, scv=0, strata_ms=((1.0, 100.0),))


def test_a_run_has_its_prediction_beside_what_it_measured() -> None:
    """A full pool of ten: 100 a second, 98 ms of waiting."""
    found = with_outcome(reported(latency=FAST), run_document())
    assert found.forecast is not None
    assert found.measured is not None
    assert found.forecast.throughput_rps == pytest.approx(99.7, abs=0.1)
    assert (found.measured.throughput_rps, found.measured.pool_wait_mean_ms) == (100, 98)
    assert found.measured.pool_utilisation == pytest.approx(0.99)
    assert found.measured.cpu_utilisation == pytest.approx(0.3)
    assert found.broken is None
    assert Prediction.model_validate_json(found.model_dump_json()) == found


def test_a_run_that_went_otherwise_has_the_assumption_that_broke() -> None:
    """The run took 0.99 of a core for 40 requests a second."""
    totals = run_document().totals.model_copy(update={"rps": 40.0})
    cores = {"proxy": 0.99, "upstream": 0.1, "link": None, "generator": 0.02}
    found = with_outcome(reported(latency=FAST), run_document(totals=totals, cpu_cores=cores))
    assert found.broken is not None
    assert found.broken.quantity == "proxy_cpu_ms"
    assert found.broken.words == "the proxy took 24 ms of CPU a request, 0.4 ms were assumed"


def test_rows_of_a_forecast_and_of_its_outcome() -> None:
    found = prediction_of(reported())
    rows = dict(forecast_rows(found))
    assert rows["throughput"].startswith("49.9 ")
    assert "0.4 ms of CPU a request in the proxy (pyreqwest, calibrated on" in rows["assumes"]
    after = Prediction(**{**dict(found), "measured": MeasuredFigures(throughput_rps=48.0)})
    assert outcome_rows(after)[0][1].startswith("49.9/s (48.0/s), pool wait 200 ms (-)")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A checkout without .env; the services are the real ones, asked and not started."""
    return Workspace(Checkout(tmp_path))


@pytest.mark.slow
def test_the_command_predicts_from_what_the_services_make_of_the_settings(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """100 users on 50 connections and an upstream of 250 ms: 200 a second."""
    settings = ["PROXY_CLIENT=pyreqwest", "PROXY_MAX_CONNECTIONS=50", "UPSTREAM_LATENCY=exponential(250ms)"]
    assert main(["predict", "--json", "--users", "100", *settings], workspace) == 0
    forecast = Prediction.model_validate(json.loads(capsys.readouterr().out)).forecast
    assert forecast is not None
    assert forecast.throughput_rps == pytest.approx(200, rel=0.01)
    assert forecast.pool_wait_mean_ms == pytest.approx(250, rel=0.02)


def test_a_promise_is_the_prediction_with_a_variable_changed() -> None:
    settings = reported()
    found = promise(settings, {"PROXY_MAX_CONNECTIONS": 20, "NET_RTT_MS": 10})
    assert found.before == predict(settings.workload())
    assert found.after == predict(reported(PROXY_MAX_CONNECTIONS=20, rtt_ms=10).workload())
    assert found.after.throughput_rps > 1.8 * found.before.throughput_rps


def test_a_promise_starts_from_what_a_run_measured() -> None:
    """In the run a request took three times the CPU and the upstream a tenth longer."""
    settings = reported(PROXY_CLIENT="httpx", PROXY_MAX_KEEPALIVE_CONNECTIONS=10)
    assumed = {one.quantity: one.value for one in assumptions_of(settings)}
    measured: dict[Quantity, float] = {"proxy_cpu_ms": 3 * assumed["proxy_cpu_ms"], "upstream_ms": 220.0}
    correction = Correction.of(assumptions_of(settings), {**measured, "travel_ms": 2.0})
    found = correction.apply(settings.workload())
    assert found.cpu_seconds * 1e3 == pytest.approx(measured["proxy_cpu_ms"])
    assert found.work.mean_seconds == pytest.approx(0.22)
    assert found.travel_seconds == pytest.approx(0.002)
    assert promise(settings, {"LOCUST_USERS": 10}, correction).before == predict(found)


@pytest.mark.parametrize("name", ["UPSTREAM_LATENCY", "LAB_PATTERN", "PROXY_MAX_CONNECTION"])
def test_what_the_model_does_not_know_promises_nothing(name: str) -> None:
    with pytest.raises(Unpredictable, match=f"^{name}: "):
        promise(reported(), {name: 1})


@pytest.mark.parametrize("users", [20, 60])
def test_the_smallest_pool_that_holds_an_objective(users: int) -> None:
    """At 200 ms a pool of c does 5 c a second: 45 a second need 9 or 10."""
    settings = reported(LOCUST_USERS=users)
    found = smallest(
        lambda connections: predict(changed(settings, {"PROXY_MAX_CONNECTIONS": connections}).workload()),
        lambda forecast: forecast.throughput_rps >= 44,
        most=100,
    )
    assert found == 9
