"""Of which kind each failure is, and whose."""

import errno

import pytest

from lab.account.failures import Causes, failure_kind, failures
from lab.account.places import Owner


@pytest.mark.parametrize(
    ("kind", "causes", "owner"),
    [
        ("503 pool_exhausted", Causes(), "proxy"),
        ("503 overloaded", Causes(), "proxy"),
        ("503 server_overloaded", Causes(), "proxy"),
        ("503 proxy_descriptors", Causes(), "proxy"),
        ("500 proxy_threads", Causes(), "proxy"),
        ("503 proxy_ports", Causes(), "proxy"),
        ("503 upstream queue_full", Causes(), "upstream"),
        ("500 upstream", Causes(), "upstream"),
        ("502 upstream_goaway", Causes(), "client_library"),
        ("408 caller_timeout", Causes(), "load"),
        ("400 bad_request", Causes(), "load"),
        ("502 upstream_reset", Causes(), "upstream"),
        ("502 upstream_reset", Causes(network={"reset": 5}), "network"),
        ("504 upstream_read_timeout", Causes(), "upstream"),
        ("504 upstream_read_timeout", Causes(swallowed_share=1.0), "network"),
        ("504 upstream_read_timeout", Causes(swallowed_share=0.04), "upstream"),
        ("504 upstream_read_timeout", Causes(network={"idle": 0, "partition": 4}), "network"),
        ("504 upstream_connect_timeout", Causes(), "network"),
        ("504 upstream_connect_timeout", Causes(overflows=3), "upstream"),
        ("ConnectionRefusedError", Causes(), "proxy"),
        ("HTTPParseError", Causes(), "proxy"),
        ("TimeoutError", Causes(), "load"),
        ("locust_descriptors", Causes(no_descriptors=True), "load"),
        ("locust_ports", Causes(), "load"),
    ],
)
def test_each_failure_has_one_owner(kind: str, causes: Causes, owner: Owner) -> None:
    (found,) = failures({kind: 5}, causes)
    assert (found.kind, found.count, found.owner) == (kind, 5, owner)


def test_connections_that_end_without_a_reason_while_the_proxy_has_no_descriptor() -> None:
    """The server closes them as soon as they are accepted, and nothing counts them."""
    (found,) = failures({"ConnectionResetError": 5}, Causes(no_descriptors=True))
    assert (found.kind, found.owner) == ("ConnectionResetError after proxy_descriptors", "proxy")
    assert found.meaning.startswith("it had no descriptor left")


def test_an_answer_cut_after_its_head_is_counted_by_what_cut_it() -> None:
    """Of 25 read time-outs 5 were answers with a status; of 22 parse errors two have no reason of the proxy's."""
    errors = {"HTTPParseError": 22, "504 upstream_read_timeout": 5}
    found = failures(errors, Causes(by_code={"upstream_read_timeout": 25, "pool_exhausted": 0}))
    assert [(each.kind, each.count, each.owner) for each in found] == [
        ("HTTPParseError after upstream_read_timeout", 20, "upstream"),
        ("504 upstream_read_timeout", 5, "upstream"),
        ("HTTPParseError", 2, "proxy"),
    ]


def test_failures_that_two_can_have_made_are_divided_by_what_each_injected() -> None:
    """The link reset 30 connections, the upstream broke 90 answers; half of those unanswered had been answered."""
    errors = {"502 upstream_reset": 100, "504 upstream_read_timeout": 10}
    found = failures(errors, Causes(network={"reset": 30}, upstream=90, swallowed_share=0.5))
    assert [(each.kind, each.count, each.owner) for each in found] == [
        ("502 upstream_reset", 75, "upstream"),
        ("502 upstream_reset", 25, "network"),
        ("504 upstream_read_timeout", 5, "network"),
        ("504 upstream_read_timeout", 5, "upstream"),
    ]


def test_callers_that_left_are_counted_though_they_got_no_answer() -> None:
    found = failures({"TimeoutError": 4}, Causes(left=3))
    assert [(each.kind, each.count, each.owner) for each in found] == [
        ("TimeoutError", 4, "load"),
        ("caller left", 3, "load"),
    ]


@pytest.mark.parametrize(
    ("status", "proxy_error", "error", "kind"),
    [
        (200, None, None, None),
        (503, "pool_exhausted", ValueError(), "503 pool_exhausted"),
        (500, None, ValueError(), "500 upstream"),
        (502, "id-4711 <script>", None, "502 unknown"),
        (0, None, ConnectionRefusedError(111, "port 8000"), "ConnectionRefusedError"),
        (200, None, EOFError(), "EOFError"),
        (0, None, OSError(errno.EMFILE, "Too many open files"), "locust_descriptors"),
        (0, None, OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"), "locust_ports"),
        (0, None, None, "no answer"),
    ],
)
def test_failures_are_of_few_kinds(status: int, proxy_error: str | None, error: Exception | None, kind: str) -> None:
    """By status and code, or by the class of what broke; nothing of a single request is in them."""
    assert failure_kind(status, proxy_error, error) == kind


def test_the_upstreams_own_word_follows_its_name() -> None:
    """Only where the proxy passed an answer on: an error of its own making is not the upstream's."""
    assert failure_kind(503, None, None, "queue_full") == "503 upstream queue_full"
    assert failure_kind(503, None, None, "no 4711") == "503 upstream unknown"
    assert failure_kind(503, "overloaded", None, "queue_full") == "503 overloaded"


def test_a_failure_is_named_by_what_is_below_the_clients_wrapper() -> None:
    """`RetriesExceeded` explains nothing."""
    wrapper = ConnectionError("retries")
    wrapper.original = TimeoutError("25 s")  # type: ignore[attr-defined]
    assert failure_kind(0, None, wrapper) == "TimeoutError"
