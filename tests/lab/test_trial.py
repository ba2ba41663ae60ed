"""An advice that was followed: whether its promise held, and which settings the second run repeats."""

import pytest
from pydantic import JsonValue

from lab.conclusion import Advice, AdvicePromise, Metric, Verdict
from lab.run_document import Host, LatencyMs, PartSettings, RunDocument, SettingsAtEnds, Totals
from lab.trial import settings_to_repeat, trial
from support.documents import run_document


def promising(metric: Metric, after: float | None) -> RunDocument:
    """Return a run of 100 requests/s and 200 ms whose advice promises that."""
    promise = AdvicePromise(metric=metric, before=100, after=after, assumes="")
    advice = Advice(words="", set={"PROXY_MAX_CONNECTIONS": 20}, promise=promise)
    return run_document(verdict=Verdict(bottleneck="pool", because="", advice=advice))


@pytest.mark.parametrize(
    ("metric", "after", "rps", "mean_ms", "held", "worse"),
    [
        ("succeeded_rps", 200.0, 160.0, 100.0, True, False),
        ("succeeded_rps", 200.0, 140.0, 100.0, False, False),
        ("succeeded_rps", 200.0, 260.0, 100.0, False, False),
        ("succeeded_rps", None, 95.0, 100.0, None, False),
        ("succeeded_rps", None, 80.0, 100.0, None, True),
        ("latency_mean_ms", 100.0, 100.0, 120.0, True, False),
        ("latency_mean_ms", 100.0, 100.0, 130.0, False, False),
        ("latency_mean_ms", None, 100.0, 230.0, None, True),
        ("failed_share", 0.0, 100.0, 200.0, True, False),
    ],
)
def test_a_promise_holds_within_a_quarter(
    metric: Metric, after: float | None, rps: float, mean_ms: float, held: bool | None, worse: bool
) -> None:
    """Where nothing was promised, it must not get worse: less throughput, longer times."""
    second = run_document(totals=Totals(requests=1000, failures=0, rps=rps), latency_ms=LatencyMs(mean=mean_ms))
    found = trial(promising(metric, after), second)
    assert (found.held, found.worse) == (held, worse)


@pytest.mark.parametrize(("after", "rps", "held"), [(200.0, 190.0, True), (200.0, 140.0, None), (None, 50.0, None)])
def test_a_machine_that_others_keep_busy_breaks_no_promise(after: float | None, rps: float, held: bool | None) -> None:
    totals, host = Totals(requests=1000, failures=0, rps=rps), Host(cores=2, busy_share=1.0)
    found = trial(promising("succeeded_rps", after), run_document(totals=totals, host=host))
    assert (found.held, found.worse) == (held, False)
    assert ("other work" in found.words) is (held is None)


def test_a_core_that_others_have_a_fifth_of_is_the_others_too() -> None:
    """No core was free, the sandbox had most of them: what it lacked is no more the advice's fault."""
    host, cores = Host(cores=2, busy_share=0.97), {"proxy": 1.3, "generator": 0.3}
    found = trial(promising("succeeded_rps", 200.0), run_document(host=host, cpu_cores=cores))
    assert (found.held, found.worse) == (None, False)
    found = trial(promising("succeeded_rps", 200.0), run_document(host=host, cpu_cores=cores | {"link": 0.2}))
    assert found.held is False


def test_words_name_all_three_figures() -> None:
    second = run_document(totals=Totals(requests=1000, failures=0, rps=190.0))
    assert trial(promising("succeeded_rps", 200.0), second).words == "100 -> 190 requests/s, as promised (200)"


def test_settings_that_are_repeated() -> None:
    """Those that differ from what is in force, without ports, folders and what belongs to one run."""
    part = PartSettings(
        load={"LOCUST_USERS": 60, "LAB_RUN_LABEL": "x", "LOCUST_HOST": "http://127.0.0.1:1", "LAB_OBJECTIVE": None},
        proxy={"PROXY_PORT": 1, "PROXY_UPSTREAM_URL": "http://127.0.0.1:2", "PROXY_HTTP2": True, "PROXY_RETRIES": 0},
        network={"NET_RTT_MS": 40.0, "NET_PROFILE": "same-host"},
        upstream={"UPSTREAM_CAPACITY": None, "UPSTREAM_LATENCY": "constant(100ms)"},
    )
    in_force: dict[str, JsonValue] = {
        "PROXY_HTTP2": False,
        "PROXY_RETRIES": 0,
        "LAB_OBJECTIVE": "",
        "UPSTREAM_CAPACITY": 4,
        "NET_PROFILE": "same-host",
        "UPSTREAM_LATENCY": "constant(100ms)",
        "LOCUST_USERS": 20,
    }
    repeated = settings_to_repeat(run_document(settings=SettingsAtEnds(start=part, end=part)), in_force)
    assert repeated == {
        "LOCUST_USERS": "60",
        "PROXY_HTTP2": "true",
        "NET_RTT_MS": "40.0",
        "UPSTREAM_CAPACITY": "",
    }


def test_an_advice_is_written_as_it_is_pasted() -> None:
    advice = Advice(words="", set={"PROXY_HTTP2": False, "PROXY_MAX_CONNECTIONS": 20, "PROXY_MAX_IN_FLIGHT": None})
    assert advice.env_lines == ["PROXY_HTTP2=false", "PROXY_MAX_CONNECTIONS=20", "PROXY_MAX_IN_FLIGHT="]
