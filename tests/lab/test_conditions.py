"""Network and upstream conditions in words: in force, changed during a run, compared, refused, injected."""

from typing import Any

from lab.comparison.compare import compare
from lab.emulation import EmulatorStats
from lab.run_document import PartSettings, RunDocument, SettingsAtEnds
from lab.run_settings import changes
from lab.wire.service import VariableValues
from lab.wording import changed_words, fault_words, injected_words, network_words, upstream_words
from support.documents import run_document

ALL: VariableValues = {
    "rtt_ms": 75.0,
    "jitter_ms": 3.0,
    "loss_pct": 0.5,
    "bw_down_mbit": 1000.0,
    "bw_up_mbit": None,
    "queue_ms": 100.0,
    "idle_drop_seconds": 3.0,
    "idle_drop_mode": "rst",
    "reset_pct": 2.0,
    "partition": "5s-10s",
    "partition_mode": "blackhole",
    "accept_delay_ms": 20.0,
}


def test_a_profile_is_shown_with_all_it_comes_to() -> None:
    """Not only what was set by itself: the link reports what profile and settings come to."""
    assert network_words({"NET_PROFILE": "transatlantic"}, ALL) == (
        "transatlantic, RTT 75 ms, jitter 3 ms, 0.5 % loss, 1000 Mbit/s down, idle drop after 3 s (rst), 2 % reset, "
        "partition 5s-10s (blackhole), accept delay 20 ms"
    )


def test_conditions_that_are_off_are_not_shown() -> None:
    """What a link does not report is taken from its settings; one that reports nothing has no name."""
    settings: VariableValues = {
        "NET_PROFILE": "same-host",
        "NET_RTT_MS": 2.5,
        "NET_PARTITION": "off",
        "NET_IDLE_DROP_MODE": "silent",
    }
    assert network_words(settings) == "same-host, RTT 2.5 ms"
    assert network_words(settings, dict.fromkeys(ALL)) == "same-host"
    assert network_words({}) == "unknown"


def test_the_upstream_is_described_where_it_is_more_than_its_latency() -> None:
    """Servers, places in line, faults; a rate only where rules go by it; a long list is cut."""
    known: dict[str, Any] = {"UPSTREAM_LATENCY": "constant(9ms)"}
    assert upstream_words(known) == upstream_words(None) == ""
    limited = known | {"UPSTREAM_CAPACITY": 4, "UPSTREAM_QUEUE": 0, "UPSTREAM_FAULT": "STATUS_503"}
    assert upstream_words(limited) == "constant(9ms), at once 4, none may wait, faults: STATUS_503"
    assert upstream_words(known | {"UPSTREAM_CAPACITY": 4}).endswith("4, any number may wait")
    assert fault_words({"UPSTREAM_FAULT": "A", "UPSTREAM_FAULT_RATE": 0.1}) == "A, rate 0.1 where none is given"
    assert len(fault_words({"UPSTREAM_FAULT": "STATUS_503; " * 300})) < 200


def ends(start: dict[str, Any] | None, end: dict[str, Any] | None, *upstreams: dict[str, Any]) -> SettingsAtEnds:
    """Settings of the link at both ends of a run, and of the mock."""
    first, last = upstreams or (None, None)
    return SettingsAtEnds(
        start=PartSettings(network=start, upstream=first), end=PartSettings(network=end, upstream=last)
    )


def test_a_change_during_the_run_is_shown_by_variable() -> None:
    """Of every part; of one that was silent at one end nothing is known."""
    changed = ends(
        {"NET_RTT_MS": 0.0, "NET_SEED": 1, "NET_UP": False},
        {"NET_RTT_MS": 80.0, "NET_SEED": 1, "NET_UP": True},
        {"UPSTREAM_FAULT": None},
        {"UPSTREAM_FAULT": "STATUS_500"},
    )
    assert changed_words(changed) == "NET_RTT_MS 0 -> 80, NET_UP false -> true, UPSTREAM_FAULT unset -> STATUS_500"
    assert changes(ends({"NET_RTT_MS": 0.0}, None)) == changes(ends({"A": 1}, {"A": 1})) == {}


def ran(run_id: str, settings: SettingsAtEnds, **more: Any) -> RunDocument:
    return run_document(run_id, label=run_id, settings=settings, **more)


def test_a_change_of_profile_is_the_one_setting_that_differs() -> None:
    """Though it is also another engine than none: that follows from it."""
    near, far = {"NET_PROFILE": "same-host"}, {"NET_PROFILE": "transatlantic"}
    measured = {"warm_request_ms": {"p50": 77.2}}
    result = compare(
        [
            ran("near", ends(near, near), network={"engine": "off"}),
            ran("far", ends(far, far), network={"engine": "relay", "measured": measured}),
        ]
    )
    assert result.sentence.startswith("One setting differs, NET_PROFILE same-host -> transatlantic: ")
    (trip,) = (outcome for outcome in result.outcomes if outcome.name == "round trip as measured")
    assert trip.values == [None, 77.2]


def test_another_engine_is_a_difference() -> None:
    """A relay's network is not that of the kernel."""
    far = ends({"NET_PROFILE": "edge"}, {"NET_PROFILE": "edge"})
    result = compare([ran("a", far, network={"engine": "relay"}), ran("b", far, network={"engine": "tun"})])
    assert [(row.name, row.values) for row in result.settings] == [("network's engine", ["relay", "tun"])]


def test_a_run_that_was_changed_is_compared_as_such() -> None:
    """Neither end alone describes it."""
    steady, changed = ends({"NET_RTT_MS": None}, {"NET_RTT_MS": None}), ends({"NET_RTT_MS": None}, {"NET_RTT_MS": 80.0})
    result = compare([ran("a", steady), ran("b", changed)])
    assert [(row.name, row.values) for row in result.settings] == [("NET_RTT_MS", [None, "unset, then 80"])]


def test_injected_and_refused_requests_are_compared_where_there_were_any() -> None:
    """Else every comparison would have three rows of zeros."""
    whole = ends({}, {})
    calm = ran("calm", whole, link=EmulatorStats(injected={"loss": 0}), upstream=EmulatorStats(injected={}, refused=0))
    rough = ran(
        "rough", whole, link=EmulatorStats(injected={"loss": 2, "reset": 1}), upstream=EmulatorStats(injected={"A": 4})
    )
    assert not {outcome.name for outcome in compare([calm, calm]).outcomes} & {"faults injected"}
    outcomes = {outcome.name: outcome.values for outcome in compare([calm, rough]).outcomes}
    assert (outcomes["affected by the network"], outcomes["faults injected"]) == ([0, 3], [0, 4])
    assert "refused by the upstream's queue" not in outcomes


def test_failures_are_shown_with_those_injected_on_purpose() -> None:
    """By name of the fault or of the network's condition, the most frequent first."""
    mock, link = EmulatorStats(injected={"STATUS_503": 3, "SLICER": 9}), EmulatorStats(injected={"loss": 0, "idle": 2})
    assert injected_words(link, mock) == "link: idle drop 2; mock: SLICER 9, STATUS_503 3"
    assert injected_words(None, None) == ""
