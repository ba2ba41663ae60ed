"""Repeats of equal settings share a column, and their spread is noise; a full machine leaves figures undecided."""

import random
from typing import Any

import pytest

from lab.account.places import Place
from lab.comparison.compare import compare
from lab.run_document import Host, PartSettings, RunDocument, SettingsAtEnds
from support.documents import account, run_document
from support.simulated_runs import differing, simulated


def repeats(
    rng: random.Random, count: int, connections: int = 10, rps: float = 90.0, **changes: object
) -> list[RunDocument]:
    """Runs of equal settings under one label."""
    part = PartSettings(proxy={"PROXY_MAX_CONNECTIONS": connections})
    settings = SettingsAtEnds(start=part, end=part)
    same = {"label": str(connections), "settings": settings, **changes}
    return [simulated(rng, rps=rps).model_copy(update={**same, "id": f"{connections}-{each}"}) for each in range(count)]


def test_runs_of_equal_settings_share_a_column() -> None:
    rng = random.Random(1)
    found = compare([*repeats(rng, 3), *repeats(rng, 1, connections=20, rps=175.0)])
    assert found.runs == ["10 (3 runs)", "20"]
    assert found.ids == [["10-0", "10-1", "10-2"], ["20-0"]]
    assert [row.values for row in found.settings] == [[10, 20]]
    throughput = found.outcomes[0]
    assert throughput.values[0] == pytest.approx(90, rel=0.1)
    assert throughput.changes[1] is not None
    assert throughput.changes[1].differs
    assert "the spread of 3 repeats" in found.noise


def test_equal_runs_are_grouped_by_their_labels_or_not_at_all() -> None:
    """As before and after a change of code."""
    rng = random.Random(2)
    before, after = repeats(rng, 2, label="before"), repeats(rng, 2, label="after")
    assert compare([*before, *after]).runs == ["before (2 runs)", "after (2 runs)"]
    assert compare(before).runs == ["before", "before"]


def test_repeats_of_equal_settings_do_not_differ_and_narrow_the_interval() -> None:
    """Of 100 comparisons of three runs with three, 3 at most are said to differ."""
    rng = random.Random(3)
    found = [compare([*repeats(rng, 3, label="a"), *repeats(rng, 3, label="b")]) for _ in range(100)]
    assert sum(1 for each in found if differing(each)) <= 3
    single = compare([*repeats(rng, 1, label="a"), *repeats(rng, 1, label="b")])
    widths = [each.outcomes[0].changes[1].half_width for each in (found[0], single) if each.outcomes[0].changes[1]]
    assert widths[0] is not None
    assert widths[1] is not None
    assert widths[0] < 0.8 * widths[1]


def test_repeats_that_spread_wide_widen_the_interval() -> None:
    """Their spread counts for more than what was measured on other runs."""
    rng = random.Random(4)
    wide = [run for rps in (60.0, 90.0, 120.0, 75.0) for run in repeats(rng, 1, rps=rps)]
    other = [run for rps in (130.0, 80.0, 110.0, 90.0) for run in repeats(rng, 1, connections=12, rps=rps)]
    assert differing(compare([*wide, *other])) == []


def test_on_a_full_machine_only_repeats_tell() -> None:
    """Without them not even a doubled throughput is said to differ, and equal runs are not said to be equal."""
    rng = random.Random(5)
    full: dict[str, Any] = {"host": Host(cores=2, busy_share=0.99)}
    alone = compare([*repeats(rng, 1, **full), *repeats(rng, 1, connections=20, rps=175.0, **full)])
    change = alone.outcomes[0].changes[1]
    assert change is not None
    assert (change.differs, change.low, change.high) == (None, None, None)
    assert "isn't known" in alone.sentence
    many = compare([*repeats(rng, 4, **full), *repeats(rng, 4, connections=20, rps=175.0, **full)])
    assert many.outcomes[0].changes[1] is not None
    assert many.outcomes[0].changes[1].differs
    same = compare([*repeats(rng, 4, label="a", **full), *repeats(rng, 4, label="b", **full)])
    assert same.outcomes[0].changes[1] is not None
    assert same.outcomes[0].changes[1].differs is None


def test_a_machine_that_the_run_itself_fills_is_not_full() -> None:
    rng = random.Random(6)
    own: dict[str, Any] = {
        "host": Host(cores=2, busy_share=0.99),
        "cpu_cores": {"proxy": 1.0, "upstream": 0.5, "generator": 0.4},
    }
    found = compare([*repeats(rng, 1, **own), *repeats(rng, 1, connections=20, rps=175.0, **own)])
    assert "throughput" in differing(found)


@pytest.mark.parametrize("busy", [0.1, 0.5, 0.85])
def test_a_doubled_throughput_is_seen_beside_other_work(busy: float) -> None:
    rng = random.Random(7)
    host: dict[str, Any] = {"host": Host(cores=2, busy_share=busy)}
    for _ in range(20):
        found = compare([*repeats(rng, 1, **host), *repeats(rng, 1, connections=20, rps=175.0, **host)])
        assert "throughput" in differing(found)


def test_what_follows_from_another_setting_was_not_changed() -> None:
    """Unless one of the runs had it set."""

    def run(connections: int, keepalive: int, *derived: str) -> RunDocument:
        part = PartSettings(proxy={"PROXY_MAX_CONNECTIONS": connections, "PROXY_MAX_KEEPALIVE_CONNECTIONS": keepalive})
        return run_document(settings=SettingsAtEnds(start=part, end=part, derived=list(derived)))

    name = "PROXY_MAX_KEEPALIVE_CONNECTIONS"
    follows = compare([run(2, 2, name), run(4, 4, name)])
    assert [row.name for row in follows.settings] == ["PROXY_MAX_CONNECTIONS"]
    assert [(row.name, row.values) for row in follows.derived] == [(name, [2, 4])]
    assert follows.sentence.startswith("One setting differs, PROXY_MAX_CONNECTIONS 2 -> 4")
    changed = compare([run(2, 2, name), run(4, 3)])
    assert [row.name for row in changed.settings] == ["PROXY_MAX_CONNECTIONS", name]


def test_a_concern_of_several_repeats_is_one_line() -> None:
    rng = random.Random(8)
    cut = repeats(rng, 2, status="interrupted")
    found = compare([*cut, *repeats(rng, 1, connections=20)])
    assert found.concerns == ["10 (2 runs), 2 of 2: the run was interrupted"]


def test_where_the_time_moved_is_the_mean_of_repeats() -> None:
    rng = random.Random(9)
    ten = [
        run.model_copy(update={"attribution": account({Place.POOL_WAIT: ms, Place.UPSTREAM_WORK: 100.0})})
        for run, ms in zip(repeats(rng, 2), (80.0, 120.0), strict=True)
    ]
    twenty = repeats(rng, 1, connections=20, attribution=account({Place.UPSTREAM_WORK: 100.0}))
    assert [(row.name, row.values) for row in compare([*ten, *twenty]).moved] == [("pool wait", [100.0, 0.0])]
