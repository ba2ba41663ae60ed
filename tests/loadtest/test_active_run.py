"""A run under way: its series, a reset in the middle, its window."""

from typing import Any

import pytest

from lab.emulation import Network
from lab.run_document import PartSettings
from lab.wire.proxy import PoolStats
from lab.wire.service import Histogram
from loadtest.active_run import ActiveRun
from loadtest.locust_stats import Counts
from loadtest.services import Services
from loadtest.snapshot import Snapshot
from loadtest.status_bar import settings_words

POOL = PoolStats(
    max=4,
    total=4,
    active=4,
    idle=0,
    waiting=9,
    opened=4,
    reused=0,
    closed=0,
    timeouts=0,
    wait_ms=Histogram(),
    hold_ms=Histogram(),
)


def run(**changes: Any) -> ActiveRun:
    """A run that has just begun."""
    given: dict[str, Any] = {
        "id": "ours",
        "label": "",
        "group": "",
        "mode": "ui",
        "users": 2,
        "load_settings": {},
        "of_seconds": None,
        "services": Services("http://127.0.0.1:9", "http://127.0.0.1:9", "http://127.0.0.1:9"),
        "before": Snapshot(at=0.0),
    }
    return ActiveRun(**given | changes)


def counts(requests: int, response_time: float = 100.0) -> Counts:
    """That many requests of one response time."""
    return Counts(requests=requests, response_times={response_time: requests})


def test_the_series_sums_up_to_the_run_across_a_reset() -> None:
    """RESET clears Locust's counts, not the run's; its status shows that it happened."""
    ours = run()
    ours.add_second(ours.count(counts(30)), 2, None, 1.0)
    ours.reset(counts(45))
    ours.add_second(ours.count(counts(10)), 2, None, 2.0)
    whole = ours.count(counts(25))
    ours.add_second(whole, 0, None, 2.5)
    assert [point.requests for point in ours.series] == [30, 25, 15]
    assert whole.requests == 70
    assert ours.status == "reset"


def test_a_point_has_the_pool_or_null() -> None:
    """A proxy that does not answer has no gauges, not zeros."""
    ours = run()
    known = ours.add_second(counts(1), 2, POOL, 1.0)
    unknown = ours.add_second(counts(2), 2, None, 2.0)
    assert (known.pool_active, known.pool_idle, known.pool_waiting) == (4, 0, 9)
    assert (unknown.pool_active, unknown.pool_idle, unknown.pool_waiting) == (None, None, None)


@pytest.mark.parametrize(("late", "moved"), [(0.2, True), (-3.0, False), (30.0, False)])
def test_a_run_begins_with_the_first_workers_users(late: float, moved: bool) -> None:
    """Unless the worker's clock is another one."""
    ours = run()
    epoch = ours.started_at.timestamp()
    ours.begin_at(epoch + late)
    assert (ours.started_at.timestamp() - epoch == pytest.approx(0.2, abs=0.001)) is moved


def test_the_status_bar_marks_what_changed_since_the_last_run() -> None:
    """So that one sees which setting the next run will differ in."""
    last = PartSettings(proxy={"PROXY_MAX_CONNECTIONS": 10}, network={"NET_PROFILE": "lan", "NET_RTT_MS": 2.5})
    now = PartSettings(proxy={"PROXY_MAX_CONNECTIONS": 20}, network={"NET_PROFILE": "lan", "NET_RTT_MS": 2.5})
    words = {word["variable"]: (word["value"], word["was"]) for word in settings_words(now, last)}
    assert words["PROXY_MAX_CONNECTIONS"] == ("20", "10")
    assert words["NET_PROFILE"] == ("lan, RTT 2.5 ms", None)
    by = Network(summary="lan, RTT 2.5 ms", engine="tun", measured={"warm_request_ms": {"p50": 2.57}})
    made = {word["variable"]: (word["value"], word["was"]) for word in settings_words(now, last, by)}
    assert made["NET_PROFILE"] == ("lan, RTT 2.5 ms (tun, 2.6 ms measured)", None)
    assert "UPSTREAM_LATENCY" not in words  # no answer from it: that is one sentence, not one in each field


def words_of(
    now: PartSettings, last: PartSettings | None = None, *networks: Network
) -> dict[str | None, tuple[str | None, str | None]]:
    """Return value and former value of each variable that is shown."""
    return {word["variable"]: (word["value"], word["was"]) for word in settings_words(now, last, *networks)}


def test_of_a_network_that_changed_only_what_is_gone_is_shown() -> None:
    """Or what is new."""
    settings = PartSettings(network={"NET_PROFILE": "edge"})
    before, now = (Network(summary=f"edge, RTT {rtt} ms, 1 % loss") for rtt in (5, 80))
    assert words_of(settings, settings, now, before)["NET_PROFILE"] == ("edge, RTT 80 ms, 1 % loss", "RTT 5 ms")
    more = Network(summary="edge, RTT 5 ms, 1 % loss, 2 % reset")
    assert words_of(settings, settings, more, before)["NET_PROFILE"][1] == "without 2 % reset"


def test_servers_and_faults_are_shown_where_there_are_any() -> None:
    """Now, or in the last run."""
    calm, rough = (
        PartSettings(upstream={"UPSTREAM_CAPACITY": servers, "UPSTREAM_QUEUE": 3, "UPSTREAM_FAULT": fault})
        for servers, fault in ((None, None), (4, "STATUS_503"))
    )
    assert {"UPSTREAM_CAPACITY", "UPSTREAM_FAULT"}.isdisjoint(words_of(calm))
    assert words_of(rough)["UPSTREAM_CAPACITY"] == ("4, 3 may wait", None)
    assert words_of(calm, rough)["UPSTREAM_FAULT"] == ("none", "STATUS_503")
