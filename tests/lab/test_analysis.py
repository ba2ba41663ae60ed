from collections.abc import Mapping
from typing import Any

import pytest

from lab.audit import audit
from lab.compare import compare
from lab.emulation import DistributionMs, EmulatorStats, Network
from lab.evidence import Evidence
from lab.run_document import Generator, LatencyMs, PartSettings, RunDocument, SettingsAtEnds, Totals, Verdict
from lab.verdict import judge
from lab.witnesses import ConnectionWitness, ProxyWitness, UpstreamWitness, Witnesses
from lab.wording import network_line
from support.documents import pool, run_document

WHOLE = Witnesses(
    locust_requests=100,
    locust_failures=0,
    proxy=ProxyWitness(received=100, answered=100, failed=0, aborted=0),
    upstream=UpstreamWitness(started=100, completed=100, abandoned=0),
    proxy_connections=ConnectionWitness(opened=10, closed=4, open_at_start=1, open_at_end=7),
    upstream_connections=ConnectionWitness(opened=10, closed=5, open_at_start=2, open_at_end=7),
)


def test_three_witnesses_that_agree() -> None:
    """Every equation holds and none is missing."""
    result = audit(WHOLE)
    assert result.agreed
    assert len(result.checks) == 7
    assert result.missing == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"locust_requests": 101}, "1 requests that Locust counted never reached the proxy"),
        ({"locust_requests": 98}, "the proxy received 2 requests that Locust did not count"),
        ({"proxy": ProxyWitness(received=100, answered=99, failed=0, aborted=0)}, "1 requests are still in the proxy"),
        (
            {"upstream": UpstreamWitness(started=101, completed=100, abandoned=0)},
            "1 requests are still in the upstream",
        ),
        (
            {"upstream": UpstreamWitness(started=103, completed=103, abandoned=0)},
            "the upstream completed 3 requests that the proxy did not answer",
        ),
        (
            {"proxy_connections": ConnectionWitness(opened=10, closed=4, open_at_start=1, open_at_end=5)},
            "2 connections were neither closed nor are they open: leaked",
        ),
        (
            {"upstream_connections": ConnectionWitness(opened=12, closed=7, open_at_start=2, open_at_end=7)},
            "the upstream accepted 2 connections that the proxy's pool did not open",
        ),
    ],
)
def test_a_difference_is_named(change: dict[str, object], message: str) -> None:
    """Which witness saw how many more."""
    result = audit(WHOLE.model_copy(update=change))
    assert not result.agreed
    assert any(check.message.startswith(message) for check in result.checks if check.difference)


def test_an_answer_lost_on_the_way_is_explained_by_an_abort() -> None:
    """The upstream completed it, the proxy aborted or failed it: no difference."""
    lost = WHOLE.model_copy(update={"proxy": ProxyWitness(received=100, answered=97, failed=1, aborted=2)})
    assert audit(lost).agreed


def test_a_connection_whose_request_was_given_up_is_explained() -> None:
    """It was opened for an aborted request and carried none; without an abort it is a difference."""
    more = ConnectionWitness(opened=11, closed=5, open_at_start=1, open_at_end=7)
    assert not audit(WHOLE.model_copy(update={"proxy_connections": more})).agreed
    aborted = ProxyWitness(received=100, answered=99, failed=0, aborted=1)
    assert audit(WHOLE.model_copy(update={"proxy_connections": more, "proxy": aborted})).agreed


def test_slots_that_are_never_given_back_come_before_the_failures_they_cause() -> None:
    """Requests that wait for them fail by it; a pool whose slots all came back is judged as ever."""
    failed: dict[str, Any] = {"totals": Totals(requests=50, failures=40, rps=5.0), "errors": {"500 pool_exhausted": 40}}
    found = verdict(leaked=10, evidence=failed)
    assert found.bottleneck == "pool"
    assert found.because.startswith("10 of 10 connections are held by requests that are over")
    assert "aclose" in found.advice
    assert verdict(evidence=failed).bottleneck == "failures"


def test_a_silent_witness_means_not_agreed() -> None:
    """What is missing is not taken for right."""
    result = audit(Witnesses(locust_requests=100, locust_failures=0))
    assert not result.agreed
    assert result.missing == ["proxy", "upstream"]


def verdict(
    *,
    cpu: float | None = 0.3,
    generator_cpu: float = 0.2,
    evidence: Mapping[str, Any] | None = None,
    **of_pool: Any,
) -> Verdict:
    seen: dict[str, Any] = {
        "totals": Totals(requests=1000, failures=0, rps=100.0),
        "latency_ms": LatencyMs(mean=200.0),
        "pool": pool(**of_pool),
        "cpu_cores": {"proxy": cpu, "upstream": 0.1, "link": None, "generator": generator_cpu},
        "generator": Generator(),
        "users": 20,
    }
    return judge(Evidence(**{**seen, **(evidence or {})}))


def test_a_full_pool_with_waiting_requests_is_the_bottleneck() -> None:
    """And the advice is a number to copy: what was busy or waiting, at most twice the limit."""
    found = verdict()
    assert found.bottleneck == "pool"
    assert "waited 98 ms of 200 ms (49%)" in found.because
    assert "PROXY_MAX_CONNECTIONS=20" in found.advice


def test_a_pool_timeout_is_the_pool_even_if_the_mean_looks_idle() -> None:
    """A burst is enough."""
    assert verdict(active_mean=2.0, timeouts=3).bottleneck == "pool"


def test_a_process_without_cpu_comes_first() -> None:
    """More connections would not help then."""
    found = verdict(cpu=0.97)
    assert found.bottleneck == "cpu"
    assert "the proxy used 0.97 cores" in found.because
    assert "More connections will not help" in found.advice


def test_a_core_is_counted_for_each_worker() -> None:
    """Two workers on one core between them are not at their limit."""
    assert verdict(cpu=0.97, evidence={"workers": 2}).bottleneck == "pool"
    assert verdict(cpu=1.9, evidence={"workers": 2}).bottleneck == "cpu"


def test_locust_at_its_limit_is_said_to_be_it() -> None:
    """Else the pool would be blamed for the generator."""
    assert "Locust used 0.95 cores" in verdict(generator_cpu=0.95).because
    assert verdict(generator_cpu=0.95, evidence={"generator": Generator(processes=3)}).bottleneck == "pool"


def test_nothing_in_the_way_is_none() -> None:
    """Connections to spare, and no wait."""
    found = verdict(active_mean=4.0, waiting_mean=0.0, wait_ms=DistributionMs(count=1000, mean=0.1))
    assert found.bottleneck == "none"
    assert "4.0 of 10 connections were busy" in found.because


def test_connections_that_are_not_kept_are_mentioned() -> None:
    """Whatever the verdict: a pool is there to reuse them."""
    assert "96% of the requests opened a new connection" in verdict(opened=960).because
    assert "opened a new connection" not in verdict(opened=10).because


IDLE: dict[str, Any] = {"active_mean": 1.0, "waiting_mean": 0.0, "wait_ms": DistributionMs(count=1000, mean=0.1)}


def test_time_that_the_proxy_knows_nothing_of_is_a_blocked_loop() -> None:
    """Users wait, the pool is idle and no CPU is used: requests lay before the loop."""
    blocked = verdict(**IDLE, evidence={"in_proxy_ms": 15.8})
    assert blocked.bottleneck == "loop"
    assert "only 16 ms" in blocked.because
    assert verdict(**IDLE, evidence={"in_proxy_ms": 190.0}).bottleneck == "none"


def test_a_queue_in_the_upstream_is_the_upstreams() -> None:
    """More connections would lengthen it; without a limit of servers there is no such queue."""
    queue = {"upstream_queue_ms": 120.0, "upstream_servers": 8}
    found = verdict(**IDLE, evidence=queue)
    assert found.bottleneck == "upstream"
    assert "120 ms of 200 ms (60%) for one of the upstream's 8 servers" in found.because
    assert verdict(**IDLE, evidence=queue | {"upstream_servers": None}).bottleneck == "none"
    assert verdict(evidence=queue | {"upstream_queue_ms": 30.0}).bottleneck == "pool"


def test_a_run_of_failures_measured_failures() -> None:
    """Whatever the other figures are; a few failures are mentioned beside them."""
    failed: dict[str, Any] = {
        "totals": Totals(requests=1000, failures=1000, rps=900.0),
        "errors": {"502 upstream_connect_error": 1000},
    }
    found = verdict(evidence=failed)
    assert found.bottleneck == "failures"
    assert found.because == "1000 of 1000 requests failed (502 upstream_connect_error 1000)"
    few = verdict(evidence={"totals": Totals(requests=1000, failures=3, rps=100.0), "errors": {"500 upstream": 3}})
    assert few.bottleneck == "pool"
    assert few.because.endswith("3 of 1000 requests failed (500 upstream 3)")


def test_requests_that_gave_up_in_the_queue_are_the_pools_and_no_throughput() -> None:
    """The advice counts what succeeded."""
    gave_up: dict[str, Any] = {
        "totals": Totals(requests=1000, failures=850, rps=180.0),
        "errors": {"503 pool_exhausted": 850},
    }
    found = verdict(timeouts=850, evidence=gave_up)
    assert found.bottleneck == "pool"
    assert "instead of 27," in found.advice


def emulator(p50: float, p99: float) -> EmulatorStats:
    return EmulatorStats(engine="tun", lateness_ms=DistributionMs(count=5000, p50=p50, p99=p99), cpu_cores=0.2)


@pytest.mark.parametrize(("part", "name"), [("link", "the link"), ("mock", "the mock upstream")])
def test_an_emulator_that_is_mostly_late_is_the_limit_whatever_else_is(part: str, name: str) -> None:
    """The pool is full, but of requests that waited for the link or the mock themselves."""
    found = verdict(evidence={part: emulator(12.0, 40.0), "rtt_ms": 40.0})
    assert found.bottleneck == {"link": "link", "mock": "upstream"}[part]
    assert found.because.startswith(f"{name} was late: p50 12.0 ms, where ")
    assert "free core" in found.advice or "a core" in found.advice


def test_an_emulator_that_is_late_now_and_then_is_named_beside_the_limit() -> None:
    """And is the limit where there is no other."""
    late = {"link": emulator(0.1, 3.0), "rtt_ms": 40.0}
    beside = verdict(evidence=late)
    assert beside.bottleneck == "pool"
    assert beside.because.endswith("; the link was late: p99 3.0 ms, where 2.0 ms would do")
    alone = verdict(**IDLE, evidence=late)
    assert (alone.bottleneck, alone.because) == ("link", "the link was late: p99 3.0 ms, where 2.0 ms would do")


def test_how_late_is_late_depends_on_what_is_stood_for() -> None:
    """Two milliseconds, or a twentieth of the round trip, or of the latency outside the pool."""
    assert verdict(**IDLE, evidence={"link": emulator(0.1, 3.0), "rtt_ms": 80.0}).bottleneck == "none"
    assert verdict(**IDLE, evidence={"mock": emulator(0.1, 9.0)}).bottleneck == "none"
    assert verdict(**IDLE, evidence={"mock": emulator(0.1, 11.0)}).bottleneck == "upstream"
    assert verdict(**IDLE, evidence={"link": EmulatorStats(engine="off"), "mock": EmulatorStats()}).bottleneck == "none"


def test_a_link_without_cpu_is_named() -> None:
    """Above 85 % of its core it is the limit, late or not."""
    cores = {"proxy": 0.3, "upstream": 0.1, "link": 0.9, "generator": 0.2}
    found = verdict(evidence={"cpu_cores": cores})
    assert (found.bottleneck, found.because.startswith("the link used 0.90 cores")) == ("cpu", True)


MEASURED = {"warm_request_ms": {"p50": 75.31, "n": 10}}


@pytest.mark.parametrize(
    ("network", "link", "line"),
    [
        (None, None, None),
        ({"summary": "same-host", "engine": "off", "measured": None}, None, "same-host, nothing emulated"),
        ({"summary": "edge", "engine": "relay"}, None, "edge, by relay"),
        (
            {"summary": "edge, RTT 75 ms", "engine": "tun", "measured": MEASURED},
            emulator(0.081, 0.4),
            "edge, RTT 75 ms, by tun, 75.3 ms measured; lateness p50 0.08, p99 0.40 ms",
        ),
        (
            {"summary": "edge", "engine": "relay", "measured": MEASURED},
            EmulatorStats(engine="relay", lateness_ms=DistributionMs(count=0)),
            "edge, by relay, 75.3 ms measured",
        ),
        ({}, None, "unknown, nothing emulated"),
    ],
)
def test_the_network_of_a_run_in_a_line(
    network: dict[str, object] | None, link: EmulatorStats | None, line: str | None
) -> None:
    """Profile, engine, what it measured itself, and how late it was: what is known of them."""
    assert network_line(None if network is None else Network.model_validate(network), link) == line


def with_settings(run_id: str, rps: float, **proxy: str | int) -> RunDocument:
    part = PartSettings(load={"LOCUST_USERS": 20, "LAB_RUN_LABEL": run_id}, proxy=dict(proxy))
    return run_document(
        run_id,
        label=run_id,
        settings=SettingsAtEnds(start=part, end=part),
        totals=Totals(requests=int(rps * 10), failures=0, rps=rps),
    )


def test_a_comparison_names_the_one_setting_that_differs() -> None:
    """Labels and ids differ always and explain nothing."""
    result = compare(
        [with_settings("ten", 100.0, PROXY_MAX_CONNECTIONS=10), with_settings("forty", 390.0, PROXY_MAX_CONNECTIONS=40)]
    )
    assert [(row.name, row.values) for row in result.settings] == [("PROXY_MAX_CONNECTIONS", [10, 40])]
    assert result.outcomes[0].ratios == [1.0, pytest.approx(3.9)]
    assert result.sentence.startswith(
        "One setting differs, PROXY_MAX_CONNECTIONS 10 -> 40: 100.0 -> 390.0 requests/s (3.90 times)"
    )


def test_a_comparison_of_equals_says_so() -> None:
    """And of several differences names all."""
    same = compare([with_settings("a", 100.0), with_settings("b", 101.0)])
    assert same.sentence.startswith("No setting differs")
    two = compare([with_settings("a", 100.0, X=1, Y=1), with_settings("b", 101.0, X=2, Y=2)])
    assert two.sentence.startswith("2 settings differ (X, Y)")


def test_where_the_parts_listen_explains_nothing() -> None:
    """A run in Compose and one as processes differ in addresses only; another upstream is a difference."""
    here = with_settings("a", 100.0, PROXY_PORT=8000, PROXY_UPSTREAM_URL="http://upstream-mock:8001")
    there = with_settings("b", 100.0, PROXY_PORT=9000, PROXY_UPSTREAM_URL="http://127.0.0.1:8002")
    assert compare([here, there]).settings == []
    elsewhere = with_settings("c", 100.0, PROXY_PORT=8000, PROXY_UPSTREAM_URL="http://api.test")
    assert [row.name for row in compare([here, elsewhere]).settings] == ["PROXY_UPSTREAM_URL"]


def test_other_versions_and_a_cut_run_are_differences_too() -> None:
    """Docker's Python is another one, and an interrupted run measured less than it seems."""
    whole = with_settings("a", 100.0)
    cut = with_settings("b", 100.0).model_copy(
        update={"status": "interrupted", "versions": {"proxy": {"httpx": "0.28.1", "python": "3.13.5"}}}
    )
    assert [row.name for row in compare([whole, cut]).settings] == ["proxy's python", "status"]


def test_a_comparison_needs_two() -> None:
    """One run has nothing to be held against."""
    with pytest.raises(ValueError, match="at least two"):
        compare([run_document()])


TRIED = ProxyWitness(
    received=100, answered=90, failed=8, aborted=2, untried=3, tries=104, retried=7, sent=101, responded=94
)


def tried(upstream: UpstreamWitness, **change: int) -> Witnesses:
    return WHOLE.model_copy(update={"proxy": TRIED.model_copy(update=change), "upstream": upstream})


@pytest.mark.parametrize("started", [94, 97, 101])
def test_each_try_is_accounted_for(started: int) -> None:
    """tries = received - untried + retried; what was sent was started, or lost on the way without a response."""
    found = audit(tried(UpstreamWitness(started=started, completed=92, abandoned=started - 92)))
    assert found.agreed
    messages = {check.name: check.message for check in found.checks}
    assert messages["proxy's tries = received - refused before a try + retried"] == "104 = 100 - 3 + 7"
    heads = messages["upstream started = tries that sent a head - lost on the way"]
    assert heads == f"{started} = 101 - {101 - started}"


@pytest.mark.parametrize(
    ("started", "change", "message"),
    [
        (95, {"retried": 9}, "2 requests or retries of the proxy were never tried"),
        (95, {"retried": 5}, "the proxy tried 2 times more than its requests and retries account for"),
        (102, {}, "the upstream started 1 requests more than the proxy sent"),
        (93, {}, "1 requests that were responded to were never started by the upstream"),
    ],
)
def test_a_try_that_is_not_accounted_for_is_named(started: int, change: dict[str, int], message: str) -> None:
    wrong = audit(tried(UpstreamWitness(started=started, completed=92, abandoned=started - 92), **change))
    assert [check.message for check in wrong.checks if check.difference] == [message]


def test_a_try_that_was_repeated_may_have_been_completed() -> None:
    """As behind a GOAWAY that the client library takes for the end: up to the failures, aborts and retries."""
    assert audit(tried(UpstreamWitness(started=101, completed=101, abandoned=0), responded=95)).agreed
    repeated = {"answered": 98, "failed": 2, "aborted": 0, "retried": 1, "tries": 101, "untried": 0}
    wrong = audit(tried(UpstreamWitness(started=103, completed=103, abandoned=0), sent=103, **repeated, received=100))
    assert "the upstream completed 2 requests that the proxy did not answer" in [each.message for each in wrong.checks]
