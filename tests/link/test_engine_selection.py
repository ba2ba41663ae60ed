"""Which engine is taken where, and why."""

from dataclasses import replace

import pytest

from link.engine_selection import HostSupport, choose
from link.settings import RequestedEngine, Settings
from service_kit.exits import UnavailableError

HOST = HostSupport(own_namespace=False)
CONTAINER = HostSupport(own_namespace=True)
NO_TUN = replace(CONTAINER, no_tun="/dev/net/tun: No such device")
NO_FORWARDING = replace(CONTAINER, no_forwarding="needs ip_forward")
NOTHING = replace(CONTAINER, no_tun="no NET_ADMIN", no_redirect="no NET_ADMIN")


@pytest.mark.parametrize(
    ("wish", "rtt_ms", "host", "engine", "redirect", "because"),
    [
        ("auto", None, HOST, "off", False, "nothing to emulate"),
        ("auto", None, CONTAINER, "off", False, "nothing to emulate"),
        ("auto", 0, CONTAINER, "off", False, "nothing to emulate"),
        ("off", None, CONTAINER, "off", False, "NET_ENGINE=off"),
        ("auto", 40, CONTAINER, "tun", False, "real packets in a network namespace of its own"),
        ("auto", 40, HOST, "relay", False, "plain process"),
        ("auto", 40, NO_TUN, "relay", True, "No such device"),
        ("tun", 40, CONTAINER, "tun", False, "NET_ENGINE=tun"),
        ("tun", None, CONTAINER, "tun", False, "NET_ENGINE=tun"),
        ("relay", 40, HOST, "relay", False, "NET_ENGINE=relay"),
        ("relay", None, HOST, "relay", False, "NET_ENGINE=relay"),
        ("relay", 40, CONTAINER, "relay", True, "NET_ENGINE=relay"),
        ("relay", 40, NOTHING, "relay", False, "must use port 8002"),
    ],
)
def test_choice(
    wish: RequestedEngine, rtt_ms: float | None, host: HostSupport, engine: str, redirect: bool, because: str
) -> None:
    """The requested engine and what the host supports decide on engine, redirection and reason."""
    choice = choose(Settings(engine=wish, rtt_ms=rtt_ms), host)
    assert (choice.engine, choice.redirect) == (engine, redirect)
    assert because in choice.because


def test_bandwidth_upwards_needs_forwarding_for_tun_and_only_that_does() -> None:
    """Requests can only be led through the device where packets are forwarded; replies always."""
    up = choose(Settings(rtt_ms=40, bw_up_mbit=10), NO_FORWARDING)
    assert (up.engine, up.because) == ("relay", "no tun: needs ip_forward")
    assert choose(Settings(rtt_ms=40, bw_down_mbit=10), NO_FORWARDING).engine == "tun"
    assert choose(Settings(rtt_ms=40, bw_up_mbit=10), CONTAINER).engine == "tun"


def test_an_upstream_elsewhere_is_not_redirected() -> None:
    """Only an upstream in the same namespace has a port whose clients could be led to the relay."""
    assert not choose(Settings(engine="relay", upstream_host="10.0.0.9"), CONTAINER).redirect


@pytest.mark.parametrize(
    ("wish", "host", "reason"),
    [
        ("tun", HOST, "plain process.*; allowed here: auto, relay, off"),
        ("tun", NO_TUN, "No such device"),
        ("auto", NOTHING, "cannot be redirected to the relay"),
    ],
)
def test_an_engine_that_is_not_available_is_refused_and_not_replaced(
    wish: RequestedEngine, host: HostSupport, reason: str
) -> None:
    """An engine that was asked for is not silently another, and auto does not pretend to emulate."""
    with pytest.raises(UnavailableError, match=reason):
        choose(Settings(engine=wish, rtt_ms=40), host)
