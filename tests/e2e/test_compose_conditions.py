"""What a user sees of the network's conditions and of TLS, in real Compose."""

import re
import time

import pytest
from e2e.conditions import (
    TLS_LOAD,
    UPSTREAM,
    assert_pool_limited,
    bounds,
    bring_up,
    change_network,
    connect_seconds,
    request,
)
from e2e.loop import Say, assert_accounted_for, counts

from support.clone import Clone

pytestmark = [pytest.mark.e2e, pytest.mark.docker]


@pytest.fixture
def here(composed: Clone) -> Clone:
    return composed


def test_https_in_compose(here: Clone, say: Say) -> None:
    """The proxy trusts the mock's authority through the shared volume; UPSTREAM_TLS alone is enough for ./sandbox."""
    document = here.run_json(*TLS_LOAD, "UPSTREAM_TLS=on")
    say(f"https in Compose: {counts(document)}, tls {document['phases_ms']['tls']['mean']:.2f} ms in the mean")
    assert_accounted_for(document)
    assert_pool_limited(document)
    assert document["phases_ms"]["tls"]["mean"] > 0
    assert document["settings"]["start"]["proxy"]["PROXY_UPSTREAM_URL"] == f"https://{UPSTREAM}:8001"


# The network: packets, not bytes.

LOSSY = {"NET_RTT_MS": "5", "NET_LOSS_PCT": "5"}


def test_a_lost_handshake_costs_a_second(here: Clone, say: Say) -> None:
    """5 % each way: 9.75 % of the connections lose SYN or SYN-ACK, and wait a second for the next try."""
    bring_up(here, **LOSSY)
    times = connect_seconds(here, 200, together=True, patience=2.5)
    late = sum(seconds >= 1 for seconds in times)
    low, high = bounds(200, 1 - 0.95**2)
    say(f"loss 5 % each way: {late} of 200 connects took 1 s or more (expected 19.5, {low} to {high})")
    assert low <= late <= high
    # nothing in between: a connect is quick, or it has waited for TCP's first timer
    assert not [seconds for seconds in times if 0.5 < seconds < 1]


def test_the_network_changes_while_it_runs(here: Clone, say: Say) -> None:
    """PUT on the link's control port: the next connection and the next request feel it, nothing was restarted."""
    bring_up(here, **LOSSY)
    medians = []
    for rtt in (20, 60):
        change_network(here, f'{{"NET_LOSS_PCT": 0, "NET_RTT_MS": {rtt}}}')
        times = connect_seconds(here, 11)
        medians.append(times[5] * 1000)
        assert times[0] * 1000 >= rtt
        assert times[5] * 1000 < rtt + 15
    say(f"connect, median: {medians[0]:.1f} ms, after PUT NET_RTT_MS=60 {medians[1]:.1f} ms")
    answers = [request(here) for _ in range(3)]
    assert all(answer.status == 200 and answer.seconds >= 0.160 for answer in answers), answers


def test_an_idle_connection_that_was_forgotten(here: Clone, say: Say) -> None:
    """Silent: 504 after the read time-out. With a reset: GET is saved by the retry, POST is 502. Then all is well."""
    bring_up(
        here,
        NET_IDLE_DROP_SECONDS="1",
        PROXY_KEEPALIVE_EXPIRY_SECONDS="30",
        PROXY_READ_TIMEOUT_SECONDS="1",
        PROXY_RETRIES="1",
        UPSTREAM_LATENCY="constant(20ms)",
    )

    def after_a_rest(method: str) -> tuple[tuple[int, str | None], tuple[int, str | None]]:
        """Return what comes back on the kept connection, and right after it on another one."""
        assert request(here).status == 200
        time.sleep(1.2)
        first, second = request(here, method), request(here)
        say(f"forgotten connection, {method}: {first.status} {first.code or ''} after {first.seconds:.2f} s")
        return (first.status, first.code), (second.status, second.code)

    well = (200, None)
    assert after_a_rest("GET") == ((504, "upstream_read_timeout"), well)
    change_network(here, '{"NET_IDLE_DROP_MODE": "rst"}')
    before = here.get(f"{here.proxy}/-/pool")["opened"]
    assert after_a_rest("GET") == (well, well)
    assert here.get(f"{here.proxy}/-/pool")["opened"] > before
    assert after_a_rest("POST") == ((502, "upstream_reset"), well)


# What a connection costs: the same two users, the same endpoint but for where its client lives.

POOLED, PER_REQUEST = "async_lifespan_state", "async_per_request"
NETWORKS = ("same-host", "transatlantic")


def test_what_a_connection_costs(here: Clone, say: Say) -> None:
    """Next to nothing on one host, a round trip a request across the Atlantic; pages and comparison name the network.

    Its part is the phase `connect`: the client made for each request costs CPU, too, on any network and more of it on a
    busy machine. One user, so that no other's client is made meanwhile. Both sides are patterns: the same framework, no
    retry, the library's own pool.
    """
    runs, shown, rows = {}, {}, {}
    for network in NETWORKS:
        shown[network] = here.sandbox(
            *("run", "--users", "1", "--time", "3s", "--label", network, "UPSTREAM_LATENCY=constant(20ms)"),
            *("PROXY_MAX_CONNECTIONS=20", "PROXY_MAX_KEEPALIVE_CONNECTIONS=20"),
            *(f"NET_PROFILE={network}", f"LAB_PATTERN={POOLED}"),
        ).stdout
        rows[network] = next(row for row in here.get(f"{here.ui}/lab/runs.json") if row["label"] == network)
        runs[network, POOLED] = here.get(f"{here.ui}/lab/runs/{rows[network]['id']}.json")
        # a run leaves the services as it had them
        runs[network, PER_REQUEST] = here.ui_run(users=1, seconds=3, pattern=PER_REQUEST)
    median = {key: run["latency_ms"]["p50"] for key, run in runs.items()}
    lines = [f"{'p50 ms':14}{'pooled':>8}{'per request':>13}{'difference':>12}"]
    for network in NETWORKS:
        pooled, fresh = median[network, POOLED], median[network, PER_REQUEST]
        lines.append(f"{network:14}{pooled:8.0f}{fresh:13.0f}{fresh - pooled:12.0f}")
    say("\n".join(lines))
    for (_, pattern), run in runs.items():
        assert_accounted_for(run)
        opened, requests = run["witnesses"]["proxy_connections"]["opened"], run["whole"]["requests"]
        assert opened == requests if pattern == PER_REQUEST else opened <= requests / 10, (opened, requests)
    network = runs["transatlantic", POOLED]["network"]
    needed = 0.9 * network["configured"]["rtt_ms"]
    assert median["transatlantic", PER_REQUEST] - median["transatlantic", POOLED] >= needed
    connects = {name: runs[name, PER_REQUEST]["phases_ms"]["connect"]["p50"] for name in NETWORKS}
    assert connects["transatlantic"] >= needed
    assert connects["same-host"] < 0.2 * connects["transatlantic"], connects
    # which network it was: in the summary, in the list of runs, in the comparison
    assert network["engine"] == "tun"
    assert "same-host, nothing emulated" in shown["same-host"]
    for words in (" ".join(shown["transatlantic"].split()), rows["transatlantic"]["network"]):
        assert re.search(rf"\btransatlantic,.* by {network['engine']}, \d", words), words
    comparison = here.sandbox("compare", *NETWORKS).stdout
    say(comparison)
    assert "One setting differs, NET_PROFILE same-host -> transatlantic" in " ".join(comparison.split())
