"""Locust's counts as a value, and the names of failures."""

import pytest

from loadtest.failures import RequestFailed, failure_name
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


@pytest.mark.parametrize(
    ("status", "proxy_error", "error", "name"),
    [
        (200, None, None, None),
        (503, "pool_exhausted", ValueError(), "503 pool_exhausted"),
        (500, None, ValueError(), "500 upstream"),
        (502, "id-4711 <script>", None, "502 unknown"),
        (0, None, ConnectionRefusedError(111, "port 8000"), "ConnectionRefusedError"),
        (200, None, EOFError(), "EOFError"),
        (0, None, None, "no answer"),
    ],
)
def test_failures_have_few_names(status: int, proxy_error: str | None, error: Exception | None, name: str) -> None:
    """By status and code, or by the class of what broke; nothing of a single request is in them."""
    assert failure_name(status, proxy_error, error) == name


def test_the_upstreams_own_word_follows_its_name() -> None:
    """Only where the proxy passed an answer on: an error of its own making is not the upstream's."""
    assert failure_name(503, None, None, "queue_full") == "503 upstream queue_full"
    assert failure_name(503, None, None, "no 4711") == "503 upstream unknown"
    assert failure_name(503, "overloaded", None, "queue_full") == "503 overloaded"


def test_a_failure_is_named_by_what_is_below_the_clients_wrapper() -> None:
    """`RetriesExceeded` explains nothing; and Locust shows the name as it is, without a class around it."""
    wrapper = ConnectionError("retries")
    wrapper.original = TimeoutError("25 s")  # type: ignore[attr-defined]
    assert failure_name(0, None, wrapper) == "TimeoutError"
    assert repr(RequestFailed("503 pool_exhausted")) == "503 pool_exhausted"
