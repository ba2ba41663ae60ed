"""The tun engine between two network namespaces of the test's own: real packets, a real handshake."""

import re
import signal
import socket
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from support.netns_pair import PORT, NetnsPair

pytestmark = pytest.mark.slow

RTT = 0.04
SLACK = 0.005
"""Seconds that the fastest may be above its round trips. Not the median: on a shared core the kernel's own estimates
suffer, and many connections really take one round trip more."""


@dataclass(frozen=True)
class Cost:
    """Answers on one connection, the rest before a later one, and the round trips of connect() and of each."""

    name: str
    sizes: tuple[int, ...]
    round_trips: tuple[int, ...]
    rest: float = 0.0
    times: int = 15
    at_once: int = 5


COSTS = (
    Cost("100 B", (100, 100), (1, 1, 1), times=50),
    Cost("30 kB", (30_000, 30_000), (1, 2, 1)),
    Cost("100 kB", (100_000, 100_000), (1, 3, 1)),
    Cost("100 kB, the second after 1.5 s of rest", (100_000, 100_000), (1, 3, 3), rest=1.5, times=10),
)


@pytest.mark.timing
def test_handshake_slow_start_and_idling_cost_their_round_trips(netns: NetnsPair, say: Callable[[str], None]) -> None:
    """At 40 ms: connect() one, a small request one; 30 kB two, 100 kB three, warm one, and three again after a rest."""
    _, said = netns.link(NET_RTT_MS="40", NET_ENGINE="tun")
    assert said.startswith("link: engine=tun (NET_ENGINE=tun) rtt 40 ms configured, ")
    for cost in COSTS:
        least, median = columns(netns, cost)
        figures = ", ".join(f"{1e3 * taken:.1f}" for taken in median)
        say(f"{cost.name}: medians of {cost.times} for connect and each request {figures} ms; round trips "
            f"{cost.round_trips}; least connect {1e3 * least[0]:.2f} ms")  # fmt: skip
        for low, count in zip(least, cost.round_trips, strict=True):
            assert count * RTT <= low < count * (RTT + SLACK), cost.name


def columns(netns: NetnsPair, cost: Cost) -> tuple[list[float], list[float]]:
    """Return the least and the median of connect() and of each request."""
    rows = netns.asks(cost.times, *cost.sizes, rest=cost.rest, at_once=cost.at_once)
    found = list(zip(*rows, strict=True))
    return [min(column) for column in found], [statistics.median(column) for column in found]


@pytest.mark.timing
def test_it_measures_a_real_handshake_of_its_own(netns: NetnsPair) -> None:
    """What `/-/config` reports was timed: never below what is configured, and the packets were carried."""
    netns.link(NET_RTT_MS="40")
    config = netns.control("config")
    assert config["engine"] == "tun"
    assert config["configured"]["rtt_ms"] == 40.0
    for name in ("connect_ms", "warm_request_ms"):
        assert 40.0 <= config["measured"][name]["p50"] < 50.0
    assert config["measured"]["fresh_request_ms"]["p50"] >= 80.0
    assert netns.control("stats")["packets"]["carried"] >= 30


@pytest.mark.timing
def test_the_loopback_is_left_alone(netns: NetnsPair) -> None:
    """Health checks reach the upstream over the loopback without the link."""
    netns.link(NET_RTT_MS="40")

    def connect() -> float:
        begin = time.perf_counter()
        socket.create_connection(("127.0.0.1", PORT), timeout=5).close()
        return time.perf_counter() - begin

    assert min(netns.inside(netns.far, connect) for _ in range(5)) < RTT / 4


def test_an_upstream_that_is_killed_comes_back_behind_the_link(netns: NetnsPair) -> None:
    """The routes are by port, not by process."""
    netns.link(NET_RTT_MS="40")
    netns.stop(netns._started[0], signal.SIGKILL)
    with pytest.raises(ConnectionRefusedError):
        netns.ask(100)
    netns.upstream()
    assert min(netns.ask(100)) >= RTT


def dropped(netns: NetnsPair) -> bool:
    """Return whether a new connection gets no answer at all."""

    def work() -> bool:
        with socket.socket() as client:
            client.settimeout(0.5)
            try:
                client.connect(netns.address)
            except TimeoutError:
                return True
            return False

    return netns.inside(netns.near, work)


@pytest.mark.parametrize(
    ("led", "variables"), [(0, {}), (1, {"NET_IDLE_DROP_SECONDS": "60"})], ids=["replies", "requests too"]
)
@pytest.mark.timing
def test_a_link_that_is_killed_drops_and_its_successor_takes_over(
    netns: NetnsPair, led: int, variables: dict[str, str]
) -> None:
    """Nothing passes undelayed in between, and setting up again and again leaves the same rules."""
    process, _ = netns.link(NET_RTT_MS="40", **variables)
    rules = netns.rules()
    assert rules.count(f"dport {PORT} ") == led
    for _ in range(2):
        netns.stop(process, signal.SIGKILL)
        assert dropped(netns)
        process, _ = netns.link(NET_RTT_MS="20", **variables)
        assert netns.rules() == rules
    assert 0.02 <= statistics.median(netns.ask(100)[0] for _ in range(9)) < RTT


def test_an_open_connection_outlives_the_link(netns: NetnsPair) -> None:
    """The next link, which watches for idle connections, takes one without state for an older one."""
    variables = {"NET_RTT_MS": "20", "NET_IDLE_DROP_SECONDS": "60", "NET_IDLE_DROP_MODE": "rst"}
    process, _ = netns.link(**variables)
    client = netns.inside(netns.near, lambda: socket.create_connection(netns.address, timeout=5))
    with client:
        client.sendall(b"0 1\n")
        assert client.recv(1) == b"x"
        netns.stop(process)
        netns.link(**variables)
        client.sendall(b"0 1\n")
        assert client.recv(1) == b"x"


@pytest.mark.timing
def test_another_engine_leaves_nothing_of_the_one_before(netns: NetnsPair) -> None:
    """tun, then a relay that takes over the upstream's port, then off: each finds a clean namespace."""
    clean = netns.rules()
    process, _ = netns.link(NET_RTT_MS="40")
    assert netns.stop(process) == 0

    process, said = netns.link(NET_RTT_MS="40", NET_ENGINE="relay")
    asked = re.match(r"link: engine=relay \(NET_ENGINE=relay\) rtt 40 ms configured, fresh request ([\d.]+) ms", said)
    assert asked
    assert float(asked[1]) >= 2e3 * RTT
    connect, fresh, warm = netns.ask(100, 100)
    assert connect < RTT
    assert fresh >= 2 * RTT - connect
    assert RTT <= warm < 2 * RTT
    assert netns.control("stats")["connections"]["accepted"] == 1
    assert "IPv6" in netns.control("config")["caveats"][0]
    netns.stop(process, signal.SIGKILL)

    netns.link(NET_ENGINE="relay")
    assert netns.rules().count("REDIRECT") == 1
    netns.stop(netns._started[-1])
    netns.link()
    assert netns.rules() == clean
    assert max(netns.ask(100)) < RTT


@pytest.mark.parametrize("way", ["DOWN", "UP"])
@pytest.mark.timing
def test_bandwidth_is_kept(netns: NetnsPair, way: str) -> None:
    """A megabyte at 16 Mbit/s takes half a second and not much more, from the upstream and to it."""
    netns.link(**{f"NET_BW_{way}_MBIT": "16", "NET_RTT_MS": "5"})
    least = (1 << 20) * 8 / 16e6
    taken = netns.ask(1 << 20)[1] if way == "DOWN" else netns.ask(1, upload=1 << 20)[1]
    assert least <= taken < 1.5 * least


def test_ctrl_c_ends_it_with_130(netns: NetnsPair) -> None:
    """SIGINT is graceful and has its own exit code."""
    process, _ = netns.link(NET_RTT_MS="40")
    assert netns.stop(process, signal.SIGINT) == 130
