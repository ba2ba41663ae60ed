"""Histograms: quantiles within a bucket's width, differences of snapshots."""

import random

import pytest

from service_kit.histogram import LogHistogram, difference, parse_buckets, percentile, quantile


def test_quantiles_are_right_to_a_bucket() -> None:
    drawn = random.Random(1)
    values = sorted(drawn.lognormvariate(1, 1) for _ in range(5000))
    histogram = LogHistogram()
    for value in values:
        histogram.add(value)
    for share in (0.1, 0.5, 0.99):
        assert histogram.quantile_ms(share) == pytest.approx(values[int(share * 5000)], rel=0.03)
        bound = percentile(parse_buckets(histogram.as_json()), share)
        assert bound is not None
        assert values[int(share * 5000) - 1] <= bound * 1.001
        assert bound == pytest.approx(values[int(share * 5000)], rel=0.06)
    assert histogram.as_json()["count"] == 5000
    assert histogram.sum_ms == pytest.approx(sum(values))
    assert histogram.max_ms == values[-1]


def test_quantiles_are_right_from_microseconds_on() -> None:
    """To 2.5 % and a microsecond or two, and never above the largest."""
    drawn, histogram = random.Random(4), LogHistogram()
    values = sorted(drawn.lognormvariate(-1, 2) for _ in range(20_000))
    for value in values:
        histogram.add(value)
    for share in (0.01, 0.5, 0.9, 0.99, 1.0):
        expected = values[min(len(values) - 1, int(share * len(values)))]
        assert histogram.quantile_ms(share) == pytest.approx(expected, rel=0.04, abs=0.002)
    assert histogram.quantile_ms(1.0) <= values[-1]
    document = histogram.as_json()
    assert document["p50"] == histogram.quantile_ms(0.5)
    assert document["max"] == values[-1]


@pytest.mark.parametrize("value", [-1.0, 0.0, 0.0004, 1.0, 3600e3, 1e12])
def test_any_value_has_a_bucket(value: float) -> None:
    histogram = LogHistogram()
    histogram.add(value)
    assert list(histogram.buckets().values()) == [1]


def test_an_empty_or_reset_histogram_is_all_zero() -> None:
    histogram = LogHistogram()
    empty = histogram.as_json()
    assert empty == {"count": 0, "sum": 0.0, "mean": 0.0, "p50": 0.0, "p99": 0.0, "max": 0.0, "histogram": {}}
    histogram.add(3.0)
    histogram.reset()
    assert histogram.as_json() == empty


def test_two_snapshots_tell_what_was_between() -> None:
    assert difference({1.0: 5, 2.0: 3, 3.0: 1}, {1.0: 5, 2.0: 1}) == {2.0: 2, 3.0: 1}
    with pytest.raises(ValueError, match="reset"):
        difference({1.0: 1}, {1.0: 2})
    with pytest.raises(ValueError, match="reset"):
        difference({}, {1.0: 2})


def test_a_percentile_is_the_smallest_bound_with_that_share_at_or_below_it() -> None:
    histogram = {10.0: 50, 20.0: 49, 300.0: 1}
    assert [percentile(histogram, share) for share in (0.0, 0.5, 0.51, 0.99, 1.0)] == [10, 10, 20, 20, 300]


def test_percentile_of_nothing_is_none_and_empty_buckets_count_for_nothing() -> None:
    assert percentile({}, 0.5) is None
    assert percentile({1.0: 0}, 0.5) is None
    assert percentile({1.0: 0, 2.0: 1, 3.0: 0}, 0.0) == 2.0
    assert percentile({1.0: 1, 2.0: 1}, 1.0) == 2.0


def test_nearest_rank_quantile() -> None:
    assert quantile([], 0.5) is None
    assert quantile([1.0, 2.0, 3.0], 0.5) == 2.0
    assert quantile([1.0, 2.0], 1.0) == 2.0


@pytest.mark.parametrize("document", [None, {}, {"histogram": None}, []])
def test_a_document_without_a_histogram_has_no_buckets(document: object) -> None:
    assert parse_buckets(document) == {}
