"""What a user sees of the mock's faults and of TLS, as processes."""

import pytest
from e2e.conditions import TLS_LOAD, assert_pool_limited, bounds, failures_between
from e2e.loop import Say, assert_accounted_for, counts

from support.clone import Clone

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("up")]


# Faults, as processes: what of the mock's failing reaches the user, and in which words.


def test_resets_are_counted_and_named(local: Clone, say: Say) -> None:
    """A fifth of the answers is a RST: 502 upstream_reset in errors and verdict, and all counts agree."""
    document = local.run_json(
        *("--users", "10", "--time", "2s", "UPSTREAM_LATENCY=constant(20ms)"),
        "UPSTREAM_FAULT=CONNECTION_RESET_BY_PEER rate=0.2",
    )
    totals, proxy, upstream = (
        document["whole"],
        document["witnesses"]["proxy"],
        document["witnesses"]["upstream"],
    )
    failed = totals["failures"]
    say(f"reset: {failed} of {totals['requests']} requests 502 upstream_reset")
    assert document["errors"] == {"502 upstream_reset": failed}
    # every injected reset is a failure of the run: nothing is repeated unless PROXY_RETRIES says so
    assert upstream["started"] == totals["requests"]
    assert upstream["abandoned"] == failed
    low, high = bounds(upstream["started"], 0.2)
    assert low <= upstream["abandoned"] <= high
    share = f"{failed} of {totals['requests']} requests failed (502 upstream_reset "
    assert share in str(document["verdict"])
    assert proxy["answered"] == upstream["completed"] == totals["requests"] - failed
    assert document["audit"]["agreed"], document["audit"]


def test_a_stall_is_seen_when_it_was_and_not_elsewhere(local: Clone, say: Say) -> None:
    """Requests of the seconds 2 to 4 get 504 a read time-out later; before and after all is well."""
    document = local.run_json(
        *("--users", "10", "--time", "7s", "UPSTREAM_LATENCY=constant(20ms)", "PROXY_READ_TIMEOUT_SECONDS=1"),
        "UPSTREAM_FAULT=STALL_BEFORE_HEADERS from=2s to=4s delay=10s",
    )
    inside, outside = failures_between(document, 2.5, 6.0)
    requests = [point["requests"] for point in document["series"]]
    say(f"stall of 2 s: {inside} time-outs in it, {outside} outside; requests by second {requests}")
    assert document["errors"] == {"504 upstream_read_timeout": inside}
    assert inside >= 10
    assert outside == 0
    # while it lasts each of the ten users can make one request a read time-out; before and after many times as many
    assert min(requests[2:5]) <= 10
    assert requests[0] > 40
    assert max(requests[5:7]) > 40
    assert document["audit"]["agreed"], document["audit"]


def test_a_connection_closed_on_reuse_is_retried_unseen(local: Clone, say: Say) -> None:
    """One user, so one connection: each second request meets FIN, is sent again on a new one, and Locust sees none."""
    document = local.run_json(
        *("--users", "1", "--time", "1s", "UPSTREAM_LATENCY=constant(10ms)", "UPSTREAM_FAULT=CLOSE_ON_REUSE"),
        "PROXY_RETRIES=1",
    )
    requests, upstream = document["whole"]["requests"], document["witnesses"]["upstream"]
    retries = upstream["started"] - requests
    say(f"closed on reuse: {requests} requests, {retries} of them sent twice, {document['totals']['failures']} failed")
    assert document["totals"]["failures"] == 0
    # the first request of a connection is answered, the second is not: all but the first were sent twice
    assert retries == upstream["abandoned"] == requests - 1
    assert upstream["completed"] == document["witnesses"]["proxy"]["answered"] == requests
    assert document["audit"]["agreed"], document["audit"]
    assert document["pool"]["opened"] == requests


def spelt_out(local: Clone) -> tuple[str, ...]:
    """Return the variables of https without the launcher's help, the authority in the mock's default directory."""
    return (
        "UPSTREAM_TLS=on",
        f"PROXY_UPSTREAM_URL=https://127.0.0.1:{local.ports['UPSTREAM_PORT']}",
        "PROXY_CA_FILE=.sandbox/certificates/ca.pem",
    )


def test_https_as_processes_changes_nothing_but_a_phase(local: Clone, say: Say) -> None:
    """The variables spelt out, the mock's default directory: same verdict, no failure, handshakes in the ledger."""
    plain = local.run_json(*TLS_LOAD)
    https = local.run_json(*TLS_LOAD, *spelt_out(local))
    say(f"http: {counts(plain)}; https: {counts(https)}, tls {https['phases_ms']['tls']['mean']:.2f} ms in the mean")
    for document in (plain, https):
        assert_accounted_for(document)
        assert_pool_limited(document)
    assert plain["phases_ms"]["tls"]["mean"] == 0
    assert https["phases_ms"]["tls"]["mean"] > 0


def test_https_alone_is_enough_for_the_launcher(local: Clone, say: Say) -> None:
    """No URL, no authority: the proxy is wired to https by itself, by way of the relay too; here it is HTTP/2."""
    document = local.run_json(*TLS_LOAD, "UPSTREAM_TLS=1.3", "NET_RTT_MS=20", "PROXY_HTTP2=true", "UPSTREAM_HTTP2=true")
    agreed = local.get(f"http://127.0.0.1:{local.ports['UPSTREAM_CONTROL_PORT']}/-/stats")["tls"]["alpn"]
    say(f"HTTP/2, 20 ms: {counts(document)}, agreed on {agreed}, p50 {document['latency_ms']['p50']} ms")
    assert_accounted_for(document)
    assert document["network"]["engine"] == "relay"
    assert document["latency_ms"]["p50"] >= 70
    assert agreed == {"h2": document["pool"]["opened"]}
