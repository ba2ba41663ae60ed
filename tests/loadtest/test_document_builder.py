"""From hand-made snapshots to a run document."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lab.account.window import Window
from lab.run_document import Generator, RunDocument
from lab.wire.link import LinkConfig, LinkStats
from lab.wire.mock import FaultRules, MockConfig, MockStats
from lab.wire.proxy import PoolStats, ProxyConfig, PythonProcess
from lab.wording import changed_words
from loadtest import counter_deltas
from loadtest.document_builder import document
from loadtest.locust_stats import Counts
from loadtest.observation import Observation
from loadtest.snapshot import Snapshot
from loadtest.span import Span


def pool(**changes: Any) -> dict[str, Any]:
    """The proxy's /-/pool; counters since it started."""
    return {
        "workers": 1,
        "max": 10,
        "total": 5,
        "active": 0,
        "idle": 5,
        "waiting": 0,
        "opened": 5,
        "reused": 0,
        "closed": 0,
        "timeouts": 0,
        "wait_ms": {"count": 100, "sum": 1000.0, "histogram": {"10.0": 100}},
        "hold_ms": {"count": 100, "sum": 10_000.0},
        "requests": {"received": 100},
        "run": {"id": "before", "received": 100, "answered": 100, "failed": 0, "aborted": 0, "in_flight": 0},
        "process": {"cpu_seconds": 1.0, "workers": [{"pid": 7}]},
        **changes,
    }


MOCK_BEFORE: dict[str, Any] = {
    "connections": {"accepted": 5, "open": 5, "closed": 0},
    "runs": {},
    "process": {"cpu_seconds": 0.5, "uptime_seconds": 50.0},
}
MOCK_AFTER: dict[str, Any] = {
    "connections": {"accepted": 15, "open": 5, "closed": 10},
    "runs": {"ours": {"started": 980, "completed": 980, "abandoned": 0, "in_flight": 0}},
    "process": {"cpu_seconds": 1.1, "uptime_seconds": 62.0},
}
POOL_AFTER = pool(
    opened=15,
    closed=10,
    reused=970,
    wait_ms={"count": 1080, "sum": 99_000.0, "histogram": {"10.0": 100, "100.0": 900, "200.0": 80}},
    hold_ms={"count": 1080, "sum": 108_000.0},
    requests={"received": 1080},
    run={
        "id": "ours",
        "received": 980,
        "answered": 980,
        "failed": 0,
        "aborted": 0,
        "in_flight": 0,
        "active_max": 10,
        "waiting_max": 10,
    },
    process={"cpu_seconds": 4.0, "workers": [{"pid": 7}]},
    phases_ms={"total": {"count": 980, "sum": 196_000.0, "histogram": {"200.0": 980}}},
    by_total={"phases": ["pool_wait", "upstream"], "rows": [[200.0, 980, 98_000.0, 98_000.0, 0.0, 0, 0.0, 0]]},
)

BEFORE = Snapshot(
    at=100.0,
    proxy_config=ProxyConfig(
        settings={"PROXY_MAX_CONNECTIONS": 10},
        versions={"httpx": "0.28.1"},
        tuning=["held heads: one packet"],
        python=PythonProcess(sniffio="absent", path_entries=4, path_entries_of_ours=0, gc_threshold=[700, 10, 10]),
    ),
    network_config=LinkConfig(settings={"NET_PROFILE": "lan", "NET_RTT_MS": 2.0}, engine="relay", because="asked for"),
    pool=PoolStats(**pool()),
    upstream=MockStats(**MOCK_BEFORE),
)

AFTER = replace(
    BEFORE,
    at=112.0,
    pool=PoolStats(**POOL_AFTER),
    upstream=MockStats(**MOCK_AFTER),
)

COUNTS = Counts(980, 0, 196_000.0, 250.0, 0.0, {200.0: 900, 250.0: 80})


def seen(
    before: Snapshot = BEFORE, after: Snapshot = AFTER, counts: Counts = COUNTS, seconds: float = 9.8, **changes: Any
) -> Observation:
    """A run of 20 users against ten connections."""
    window = Window(begin_seconds=0.0, end_seconds=seconds, steady=False)
    given: dict[str, Any] = {
        "run_id": "ours",
        "mode": "headless",
        "status": "finished",
        "started_at": datetime(2026, 11, 20, tzinfo=UTC),
        "users": 20,
        "load_settings": {"LOCUST_USERS": 20},
        "whole": Span(window, before, after, counts, 0.2),
        "generator": Generator(cpu_cores=0.2),
    }
    return Observation(**given | changes)


def test_what_the_run_added_is_the_difference_of_the_counters() -> None:
    """The proxy was not new when the run began, and its hundred earlier requests are not of this run."""
    run = document(seen())
    assert run.pool is not None
    assert (run.pool.opened, run.pool.closed, run.pool.reused) == (10, 10, 970)
    assert run.pool.wait_ms.count == 980
    assert run.pool.wait_ms.mean == pytest.approx(100.0)
    assert (run.pool.wait_ms.p50, run.pool.wait_ms.p99) == (100.0, 200.0)
    assert run.pool.active_mean == pytest.approx(10.0, rel=0.01)  # 98 s held in a window of 9.8 s
    assert run.pool.waiting_mean == pytest.approx(10.0, rel=0.01)
    assert run.totals.rps == pytest.approx(100.0)
    assert run.cpu_cores == {"proxy": 0.25, "upstream": 0.05, "link": None, "generator": 0.2}


def test_a_prediction_needs_the_settings_of_all_services() -> None:
    """A mock without latency figures is an older one, or none: then the document has the reason."""
    assert document(seen()).prediction is None
    run = document(seen(before=replace(BEFORE, upstream_config=MockConfig(settings={}))))
    assert run.prediction is not None
    assert run.prediction.unpredictable == "the upstream does not report how long it takes"


def test_three_witnesses_agree_and_the_verdict_names_the_pool() -> None:
    """And the document survives being written and read."""
    run = document(seen())
    assert run.audit.agreed, run.audit
    assert run.verdict.bottleneck == "pool"
    assert run.network is not None
    assert (run.network.summary, run.network.engine, run.network.because) == ("lan, RTT 2 ms", "relay", "asked for")
    assert run.versions["proxy"] == {"httpx": "0.28.1"}
    assert run.versions["upstream"] is None
    assert run.tuning == ["held heads: one packet"]
    assert run.python is not None
    assert (run.python.sniffio, run.python.gc_threshold) == ("absent", [700, 10, 10])
    assert RunDocument.model_validate_json(run.model_dump_json()) == run


def late(before: dict[str, Any] | None, after: dict[str, Any], **more: Any) -> RunDocument:
    """A run with this lateness of link and mock at its beginning and its end."""
    first = replace(
        BEFORE,
        network=None if before is None else LinkStats(lateness_ms=before),
        upstream=BEFORE.upstream if before is None else MockStats(**MOCK_BEFORE, lateness_ms=before),
    )
    last = replace(AFTER, network=LinkStats(lateness_ms=after), upstream=MockStats(**MOCK_AFTER, lateness_ms=after))
    return document(seen(before=first, after=last, **more))


def test_how_late_the_link_and_the_mock_were_is_of_the_run_alone() -> None:
    """A hundred that left 50 ms late before it began are not in it."""
    before = {"count": 110, "p99": 50.0, "histogram": {"0.1": 10, "50": 100}}
    run = late(before, {"count": 1110, "p99": 50.0, "histogram": {"0.1": 990, "0.5": 20, "50": 100}})
    for part in (run.link, run.upstream):
        assert part is not None
        assert part.lateness_ms is not None
        assert (part.lateness_ms.count, part.lateness_ms.p50, part.lateness_ms.p99) == (1000, 0.1, 0.5)
    assert run.link is not None
    assert (run.link.engine, run.upstream and run.upstream.cpu_cores) == ("relay", 0.05)
    assert "late" not in str(run.verdict)
    assert RunDocument.model_validate_json(run.model_dump_json()) == run


def test_a_late_link_is_a_caveat() -> None:
    """Beside the pool, which was full."""
    run = late({"histogram": {}}, {"count": 1000, "sum": 8_590.0, "histogram": {"0.1": 900, "85": 100}})
    assert run.verdict.bottleneck == "pool"
    assert [caveat.about for caveat in run.verdict.caveats if "late" in caveat.because] == ["upstream", "network"]


@pytest.mark.parametrize("before", [{"count": 9, "histogram": {"0.1": 9}}, {"count": 9}, None])
def test_a_link_that_was_restarted_or_came_late_tells_no_lateness(before: dict[str, Any] | None) -> None:
    """Its counters began anew."""
    run = late(before, {"count": 3, "histogram": {"0.1": 3}} if before and "histogram" in before else {"count": 3})
    assert run.link is not None
    assert run.link.lateness_ms is None


def test_a_lost_request_is_named() -> None:
    """One that Locust counted and the proxy did not."""
    run = document(seen(counts=replace(COUNTS, requests=981)))
    assert not run.audit.agreed
    assert [check.difference for check in run.audit.checks if check.difference] == [1]


def test_no_service_answers_and_there_is_a_document_all_the_same() -> None:
    """Missing figures are null and named; nothing is made up."""
    silent = Snapshot(at=1.0)
    run = document(seen(before=silent, after=replace(silent, at=11.0)))
    assert run.pool is None
    assert run.settings.start.proxy is None
    assert run.witnesses.proxy is None
    assert run.audit.missing == ["proxy", "upstream"]
    assert not run.audit.agreed
    assert run.cpu_cores["proxy"] is None
    assert run.network is None


def test_a_proxy_that_was_restarted_has_no_difference() -> None:
    """Its counters began anew: null, while the requests it still knows of the run are kept."""
    restarted = POOL_AFTER | {"process": {"cpu_seconds": 0.1, "workers": [{"pid": 8}]}}
    run = document(seen(after=replace(AFTER, pool=PoolStats(**restarted))))
    assert run.pool is None
    assert run.witnesses.proxy_connections is None
    assert run.witnesses.proxy is not None
    assert run.cpu_cores["proxy"] is None


@pytest.mark.parametrize(
    ("run_id", "received"), [("before", 0), (None, 0), ("another one", None)], ids=["older", "none", "other"]
)
def test_a_proxy_that_counts_another_run(run_id: str | None, received: int | None) -> None:
    """None of ours came if its newest run is still the old one; of a run that was pushed out nothing is known."""
    other = PoolStats(**POOL_AFTER | {"run": POOL_AFTER["run"] | {"id": run_id}})
    witness = document(seen(after=replace(AFTER, pool=other))).witnesses.proxy
    assert (witness and witness.received) == received


def test_answers_that_are_not_understood_are_notes_in_the_run() -> None:
    """One for each service, and the run is recorded without its figures."""
    odd = Snapshot(at=1.0, notes={"proxy": "the proxy's answer to /-/pool is not understood: max: Field required"})
    run = document(seen(before=odd, after=replace(odd, at=2.0)))
    assert run.totals.requests == 980
    assert run.notes == list(odd.notes.values())
    assert odd.in_flight("ours") == 0


def test_no_request_at_all() -> None:
    """A window of nothing divides by nothing."""
    run = document(seen(counts=Counts(), seconds=0.0))
    assert run.totals.rps == 0
    assert run.latency_ms.p50 is None
    assert run.verdict.bottleneck == "none"


def test_a_client_that_tells_nothing_of_its_connections_leaves_them_null() -> None:
    """Not zero, which would be a difference to what the upstream accepted."""
    unknown = dict.fromkeys(("opened", "reused", "closed", "total", "idle"))
    before = replace(BEFORE, pool=PoolStats(**pool() | unknown))
    after = replace(AFTER, pool=PoolStats(**POOL_AFTER | unknown))
    assert counter_deltas.proxy_connections(before, after) is None
    found = counter_deltas.pool_of(before, after, 10.0)
    assert found is not None
    assert (found.opened, found.reused, found.closed, found.timeouts) == (None, None, None, 0)


def test_a_health_probe_is_no_connection_of_the_pools() -> None:
    """Connections that carry no request are in neither witness, whether they are closed or still open at an end."""
    probing = {"accepted": 6, "open": 6, "closed": 0, "without_request": 0, "open_without_request": 1}
    probed = {"accepted": 19, "open": 6, "closed": 13, "without_request": 3, "open_without_request": 1}
    before = replace(BEFORE, upstream=MockStats(**MOCK_BEFORE | {"connections": probing}))
    after = replace(AFTER, upstream=MockStats(**MOCK_AFTER | {"connections": probed}))
    assert counter_deltas.upstream_connections(before, after) == counter_deltas.upstream_connections(BEFORE, AFTER)


def faulty(snapshot: Snapshot, rules: list[str], faults: dict[str, int], refused: int, **affected: int) -> Snapshot:
    """A snapshot with these rules in the mock, and these counts of what mock and link injected."""
    mock = MOCK_BEFORE if snapshot is BEFORE else MOCK_AFTER
    return replace(
        snapshot,
        upstream_config=MockConfig(settings={"UPSTREAM_FAULT": "STATUS_503"}),
        upstream_faults=FaultRules(rules=rules),
        upstream=MockStats(**mock, faults=faults, capacity={"refused": refused}),
        network=LinkStats(affected_by=affected),
    )


def test_faults_and_refusals_are_of_the_run_alone_and_rules_those_in_force() -> None:
    """Whatever the mock was started with: they can be changed while it runs, and that is in the run."""
    before = faulty(BEFORE, ["STATUS_503"], {"STATUS_503": 5}, 7, loss=3)
    run = document(seen(before=before, after=faulty(AFTER, ["A", "B"], {"STATUS_503": 6, "A": 2}, 9, loss=4)))
    assert run.settings.start.upstream == {"UPSTREAM_FAULT": "STATUS_503"}
    assert run.settings.end.upstream == {"UPSTREAM_FAULT": "A; B"}
    assert changed_words(run.settings) == "UPSTREAM_FAULT STATUS_503 -> A; B"
    assert run.upstream is not None
    assert run.link is not None
    assert (run.upstream.injected, run.upstream.refused, run.link.injected) == (
        {"STATUS_503": 1, "A": 2},
        2,
        {"loss": 1},
    )
    assert RunDocument.model_validate_json(run.model_dump_json()) == run


def test_counts_that_shrank_are_not_of_the_run() -> None:
    """The mock was restarted, or reset; and tun counts packets by what dropped them."""
    run = document(seen(before=faulty(BEFORE, [], {"A": 5}, 7), after=faulty(AFTER, [], {}, 0)))
    assert run.upstream is not None
    assert (run.upstream.injected, run.upstream.refused) == (None, None)
    assert run.settings.end.upstream == {"UPSTREAM_FAULT": None}
    before, after = (LinkStats(packets={"dropped_by": {"loss": count}}) for count in (2, 9))
    tun = document(seen(before=replace(BEFORE, network=before), after=replace(AFTER, network=after)))
    assert tun.link is not None
    assert tun.link.injected == {"loss": 7}


@pytest.mark.parametrize(
    ("proxy", "pattern", "counted"),
    [
        ({}, "forward", "connections"),
        ({"PROXY_HTTP2": True, "PROXY_UPSTREAM_URL": "https://mock:1"}, "forward", "requests"),
        ({"PROXY_HTTP2": True, "PROXY_UPSTREAM_URL": "http://mock:1"}, "forward", "connections"),
        ({}, "requests_per_call", "requests"),
    ],
)
def test_requests_that_share_connections_are_not_called_connections(
    proxy: dict[str, Any], pattern: str, counted: str
) -> None:
    """Over HTTP/2, and where each call has a pool of its own, more are busy than there are connections."""
    before = replace(BEFORE, proxy_config=ProxyConfig(settings=proxy))
    run = document(seen(before=before, load_settings={"LAB_PATTERN": pattern}))
    assert run.pool is not None
    assert (run.pool.active_are, run.pool.open_at_end) == (counted, 5)
