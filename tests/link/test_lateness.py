"""How late the link was, of its newest packets and of all there were."""

import random

from link.lateness import BOUNDS, NEWEST, Lateness


def test_quantiles_are_of_the_newest_and_the_histogram_of_all() -> None:
    """A late beginning is forgotten by the one and kept by the other."""
    lateness = Lateness()
    for late in [0.05] * 100 + [0.0001] * NEWEST:
        lateness.add(late)
    newest, counted = lateness.summary_ms(), lateness.histogram_ms()
    assert (newest["count"], newest["p99"]) == (NEWEST, 0.1)
    assert sum(counted.values()) == NEWEST + 100
    assert [count for bound, count in counted.items() if float(bound) >= 50] == [100]


def test_a_bucket_is_a_fifth_wide() -> None:
    """So a quantile of the histogram is at most so much too long."""
    rng = random.Random(1)
    for late in (rng.uniform(0.0, 1.0) ** 4 for _ in range(200)):
        lateness = Lateness()
        lateness.add(late)
        ((bound, count),) = lateness.histogram_ms().items()
        assert count == 1
        assert 1e3 * late <= float(bound) * 1.001
        assert float(bound) <= max(1e3 * BOUNDS[0], 1e3 * late * 1.2) * 1.001


def test_nothing_is_too_late_to_be_counted() -> None:
    """Nor too early: a clock may be read twice within its own step."""
    lateness = Lateness()
    for late in (0.0, 1e9):
        lateness.add(late)
    assert sum(lateness.histogram_ms().values()) == 2
    assert Lateness().histogram_ms() == {}
    assert Lateness().summary_ms() == {"count": 0, "p50": None, "p99": None}
