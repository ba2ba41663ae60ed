"""Locust's counts as a value."""

import pytest

from loadtest.locust_stats import Counts, three_digits


@pytest.mark.parametrize(
    ("given", "kept"),
    [(0.414, 0.41), (14.72, 14.7), (99.96, 100), (147.2, 147), (3432, 3430), (58760, 58800), (999.7, 1000)],
)
def test_three_digits_of_a_response_time_are_kept(given: float, kept: int) -> None:
    """Locust's own two make a p99 of 130 out of anything from 125 to 135."""
    assert three_digits(given) == kept


def test_the_parts_of_a_run_add_up() -> None:
    """Before and after a reset of Locust's statistics."""
    before = Counts(3, 1, 300.0, 150.0, 10.0, {100.0: 3}, {"503 pool_exhausted": 1})
    after = Counts(2, 1, 500.0, 400.0, 12.0, {100.0: 1, 400.0: 1}, {"503 pool_exhausted": 1})
    whole = before + after
    assert (whole.requests, whole.failures, whole.last_at) == (5, 2, 12.0)
    assert whole.response_times == {100.0: 4, 400.0: 1}
    assert whole.errors == {"503 pool_exhausted": 2}
    latency = whole.latency()
    assert (latency.mean, latency.p50, latency.p99, latency.max) == (160.0, 100.0, 400.0, 400.0)


def test_percentiles_of_a_second_are_those_of_what_was_added_in_it() -> None:
    """And none after a reset, rather than wrong ones."""
    earlier = Counts(requests=2, response_times={100.0: 2})
    later = Counts(requests=4, response_times={100.0: 2, 300.0: 2})
    assert later.percentile_since(earlier, 0.5) == 300.0
    assert earlier.percentile_since(later, 0.5) is None


def test_no_request_has_no_latency() -> None:
    """Null, not zero."""
    assert Counts().latency().p50 is None
