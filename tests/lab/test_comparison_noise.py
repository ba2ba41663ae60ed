"""A comparison keeps its level: runs of equal settings do not differ, and a real change is seen in every pair."""

import random

import pytest

from lab.account.places import Place
from lab.comparison.compare import compare
from lab.comparison.noise import t_quantile, variance_of_mean
from support.documents import account, run_document
from support.simulated_runs import differing, simulated


@pytest.mark.parametrize("seconds", [8, 20])
def test_runs_of_equal_settings_do_not_differ(seconds: int) -> None:
    """Of 200 pairs at most 6 have a figure that is said to differ: 1 % are allowed, 2 in the mean."""
    rng = random.Random(1)
    found = [compare([simulated(rng, seconds=seconds), simulated(rng, seconds=seconds)]) for _ in range(200)]
    assert sum(1 for each in found if differing(each)) <= 6
    assert sum("no figure differs by more than its noise" in each.sentence for each in found) >= 194


def test_a_change_of_the_pool_is_seen_in_every_pair() -> None:
    rng = random.Random(2)
    for _ in range(100):
        found = compare([simulated(rng), simulated(rng, rps=175.0)])
        assert {"throughput", "p50"} <= set(differing(found))


def test_too_few_seconds_say_nothing() -> None:
    """Nor does a run without a steady part."""
    rng = random.Random(3)
    for short in (simulated(rng, seconds=4), simulated(rng).model_copy(update={"window": None})):
        changes = {row.name: row.changes for row in compare([simulated(rng), short]).outcomes}
        assert changes["throughput"] == [None, None]
    found = compare([simulated(rng), simulated(rng), simulated(rng, seconds=4)])
    assert "no figure differs" not in found.sentence
    assert "isn't known" in found.sentence


@pytest.mark.parametrize(
    ("error", "freedom", "expected"), [(0.05, 4, 2.776), (0.01, 10, 3.169), (0.001, 5, 6.869), (0.002, 200, 3.131)]
)
def test_quantiles_of_t(error: float, freedom: float, expected: float) -> None:
    """Two-sided, from a table."""
    assert t_quantile(error, freedom) == pytest.approx(expected, rel=1e-3)


def test_correlated_seconds_are_noisier_than_independent_ones() -> None:
    independent, _ = variance_of_mean([1.0, 3.0] * 30)
    correlated, _ = variance_of_mean([1.0] * 6 + [3.0] * 6 + [1.0] * 6 + [3.0] * 6)
    assert correlated > 3 * independent


def test_where_the_time_moved() -> None:
    """Places that changed by 2 % of the users' time, the largest first."""
    ten = run_document(attribution=account({Place.POOL_WAIT: 410.0, Place.UPSTREAM_WORK: 100.0}))
    twenty = run_document(attribution=account({Place.POOL_WAIT: 5.0, Place.UPSTREAM_QUEUE: 190.0}))
    assert [(row.name, row.values) for row in compare([ten, twenty]).moved] == [
        ("pool wait", [410.0, 5.0]),
        ("upstream queue", [0.0, 190.0]),
        ("upstream work", [100.0, 0.0]),
    ]
