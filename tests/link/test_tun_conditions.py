"""Loss, idling, resets, partitions and a slow accept with the tun engine, on real packets of a real TCP."""

import json
import signal
import socket
import statistics
import time
import urllib.error
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.netns_pair import NetnsPair, enter

pytestmark = pytest.mark.slow

RTT = 0.04

Say = Callable[[str], None]


def idle(netns: NetnsPair, seconds: float) -> str:
    """Return the outcome of a second request on a connection that was idle."""

    def work() -> str:
        with socket.create_connection(netns.address, timeout=1) as client:
            client.sendall(b"0 1\n")
            assert client.recv(1) == b"x"
            time.sleep(seconds)
            try:
                client.sendall(b"0 1\n")
                return client.recv(1).decode()
            except TimeoutError:
                return "timeout"
            except ConnectionResetError:
                return "reset"

    return netns.inside(netns.near, work)


@pytest.mark.parametrize(("mode", "met"), [("silent", "timeout"), ("rst", "reset")])
@pytest.mark.timing
def test_an_idle_connection_is_forgotten_and_a_new_one_works(netns: NetnsPair, mode: str, met: str, say: Say) -> None:
    """A request within the time passes, one after it meets the mode, and a new connection is fine."""
    netns.link(NET_RTT_MS="20", NET_IDLE_DROP_SECONDS="0.6", NET_IDLE_DROP_MODE=mode)
    assert idle(netns, 0.2) == "x"
    assert idle(netns, 1.0) == met
    assert min(netns.ask(1)) >= 0.02
    assert netns.control("stats")["packets"]["dropped_by"]["idle"] >= 1
    say(f"idle drop, {mode}: after 1.0 s of rest {met}; a new connection works")


def test_a_loss_each_way_makes_connects_wait_a_second(netns: NetnsPair, say: Say) -> None:
    """Of 500 connects at 2 % each way about 4 % take a second or more, within four deviations."""
    netns.link(NET_RTT_MS="40", NET_LOSS_PCT="2")

    def connect(_: int) -> float:
        begin = time.perf_counter()
        socket.create_connection(netns.address, timeout=20).close()
        return time.perf_counter() - begin

    with ThreadPoolExecutor(100, initializer=lambda: enter(netns.near)) as pool:
        taken = list(pool.map(connect, range(500)))
    late = sum(seconds >= 1 for seconds in taken)
    share = 1 - 0.98**2
    assert abs(late - 500 * share) <= 4 * (500 * share * (1 - share)) ** 0.5
    assert min(taken) >= RTT
    say(f"2 % loss each way: {late} of 500 connects took a second or more (expected {500 * share:.0f})")


@pytest.mark.parametrize(("delay", "below"), [(200, 0.4), (1200, 1.6)])
@pytest.mark.timing
def test_a_slow_accept_delays_the_handshake_alone(netns: NetnsPair, delay: int, below: float, say: Say) -> None:
    """connect() takes the round trip and the delay, also where the client repeats its SYN; a request a round trip."""
    netns.link(NET_RTT_MS="40", NET_ACCEPT_DELAY_MS=str(delay))
    rows = netns.asks(9, 1, 1, at_once=3)
    connect, *requests = zip(*rows, strict=True)
    assert min(connect) >= RTT + delay / 1e3
    assert statistics.median(connect) < below
    for taken in requests:
        assert min(taken) >= RTT
        assert statistics.median(taken) < 2 * RTT
    say(f"accept delayed by {delay} ms at 40 ms: connect {1e3 * statistics.median(connect):.1f} ms, "
        f"first request {1e3 * statistics.median(requests[0]):.1f} ms")  # fmt: skip


@pytest.mark.timing
def test_a_partition_drops_what_is_sent_during_it(netns: NetnsPair, say: Say) -> None:
    """Before it requests pass; in it they wait for TCP's time-outs, on an open connection and for a new one alike."""
    begin, end = 0.5, 1.3
    netns.link(NET_RTT_MS="40", NET_ENGINE="tun")

    def second(client: socket.socket, since: float, at: float) -> tuple[float, float]:
        """Send at a second of the count; return when that was and when the answer came, both in seconds of it."""
        time.sleep(max(0.0, since + at - time.monotonic()))
        sent = time.monotonic() - since
        client.sendall(b"0 1\n")
        assert client.recv(1) == b"x"
        return sent, time.monotonic() - since

    def fresh(since: float, at: float) -> float:
        time.sleep(max(0.0, since + at - time.monotonic()))
        with socket.create_connection(netns.address, timeout=10):
            return time.monotonic() - since

    with ThreadPoolExecutor(2, initializer=lambda: enter(netns.near)) as pool:
        client = pool.submit(lambda: socket.create_connection(netns.address, timeout=10)).result()
        with client:
            before = time.monotonic()
            netns.put(NET_PARTITION=f"{begin}s-{end}s")
            since = time.monotonic()  # the link's own count began at most so much earlier
            early = since - before
            connecting = pool.submit(fresh, since, begin + 0.1)
            first = second(client, since, 0.0)
            assert RTT <= first[1] - first[0] < begin
            sent, answered = second(client, since, begin + 0.1)
            connected = connecting.result()
            last = second(client, since, connected + 0.1)
    assert answered >= end - early
    assert answered < sent + 2 * (end - sent) + 0.6  # time-outs double: at worst one ran out just before the end
    assert connected >= begin + 0.1 + 1.0
    assert connected < begin + 0.1 + 1.5
    assert RTT <= last[1] - last[0] < 10 * RTT
    assert netns.control("stats")["packets"]["dropped_by"]["partition"] >= 3
    say(f"partition {begin}s-{end}s: a request sent at {sent:.2f} s answered at {answered:.2f} s, "
        f"a connect begun at {begin + 0.1:.2f} s done at {connected:.2f} s")  # fmt: skip


@pytest.mark.timing
def test_conditions_change_while_it_runs(netns: NetnsPair, say: Say) -> None:
    """A link asked for with nothing to emulate takes a round trip, then resets, then a partition that rejects."""
    netns.link(NET_ENGINE="tun")
    assert max(netns.ask(1)) < RTT
    assert netns.put(NET_RTT_MS=40)["measured"] is None
    least = min(netns.ask(1))
    assert least >= RTT
    netns.put(NET_RESET_PCT=100)
    with pytest.raises(ConnectionResetError):
        netns.ask(1)
    netns.put(NET_RESET_PCT=0, NET_PARTITION="0s-", NET_PARTITION_MODE="reject")
    with pytest.raises(ConnectionRefusedError):
        netns.ask(1)
    netns.put(NET_PARTITION="off")
    assert min(netns.ask(1)) >= RTT
    say(f"changed while running: least {1e3 * least:.1f} ms at 40 ms; reset, refused and back")


def test_requests_that_cannot_be_routed_are_reset_at_their_responses(netns: NetnsPair, say: Say) -> None:
    """Without forwarding. The caveats name variable and sysctl, and a bandwidth up is refused."""
    netns.inside(netns.far, lambda: Path("/proc/sys/net/ipv4/ip_forward").write_text("0"))
    process, _ = netns.link(NET_RTT_MS="40", NET_RESET_PCT="100")
    with pytest.raises(ConnectionResetError):
        netns.ask(1)
    (about,) = [caveat for caveat in netns.control("config")["caveats"] if "net.ipv4.ip_forward=1" in caveat]
    assert "NET_RESET_PCT" in about
    with pytest.raises(urllib.error.HTTPError) as refused:
        netns.put(NET_BW_UP_MBIT=10)
    assert refused.value.code == 409
    (line,) = json.load(refused.value)["mistakes"]
    assert line.startswith("NET_BW_UP_MBIT='10.0': ")
    assert "net.ipv4.ip_forward=1" in line
    assert netns.control("config")["configured"]["bw_up_mbit"] is None
    say(f"caveats: {about}\n409: {line}")
    netns.stop(process, signal.SIGKILL)
    process, first_line = netns.link(NET_BW_UP_MBIT="10", NET_ENGINE="tun")
    assert first_line == ""
    assert process.wait(10) == 3


def test_a_change_that_needs_a_restart_names_the_variable(netns: NetnsPair) -> None:
    """Requests that were not routed from the start are not routed later; the caveats name the variable for it."""
    netns.link(NET_RTT_MS="40")
    assert [caveat for caveat in netns.control("config")["caveats"] if "NET_" in caveat] == []
    config = netns.put(NET_LOSS_PCT=1, NET_IDLE_DROP_SECONDS=30)
    (about,) = [caveat for caveat in config["caveats"] if "NET_" in caveat]
    assert "start the link with NET_LOSS_PCT or NET_IDLE_DROP_SECONDS set" in about
    with pytest.raises(urllib.error.HTTPError) as refused:
        netns.put(NET_BW_UP_MBIT=10)
    assert "start the link with NET_BW_UP_MBIT set" in refused.value.read().decode()
    assert config["configured"]["loss_pct"] == 1
