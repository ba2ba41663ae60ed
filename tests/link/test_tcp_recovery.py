"""What recovery from a loss costs, with the random numbers handed in; RFCs and Linux's figures are the oracle."""

import itertools
import math
from collections import deque
from collections.abc import Callable
from random import Random

import pytest

from link.congestion_window import CongestionWindow
from link.model import MSS
from link.tcp_recovery import LONGEST_RTO, RETRIES, again, stall, syn_time_out, time_out

RTT = 0.04
RTO = 0.24
"""Linux's least time-out of 200 ms and the round trip."""

LOST, ARRIVES = 0.0, 1.0


def drawn(*values: float) -> Callable[[], float]:
    """Return a source of these random numbers; everything after them arrives."""
    source = itertools.chain(values, itertools.repeat(ARRIVES))
    return lambda: next(source)


def test_time_outs_double_up_to_linuxs_longest() -> None:
    """200 ms and the round trip, then twice as long each time, two minutes at most."""
    assert [time_out(RTT, tries) for tries in range(4)] == pytest.approx([RTO, 2 * RTO, 4 * RTO, 8 * RTO])
    assert time_out(RTT, 100) == LONGEST_RTO


def test_a_syn_is_repeated_after_1_2_4_seconds_and_given_up_after_six() -> None:
    """So a handshake is late by 1, 3, 7 ... seconds, 63 at most before the last try is out (tcp_syn_retries)."""
    assert [syn_time_out(tries) for tries in range(7)] == [1, 2, 4, 8, 16, 32, None]


def test_a_single_segment_waits_for_a_probe_and_then_for_time_outs() -> None:
    """240 ms, 480, 960: what Linux 6.18 does through the tun engine (280, 540, 1040 ms with the round trip)."""
    for losses, wait in enumerate([0.0, RTO, 2 * RTO, 4 * RTO, 8 * RTO]):
        found = stall(1, more=False, loss=0.5, rtt=RTT, random=drawn(*[LOST] * losses))
        assert found == pytest.approx(wait)
        assert found == pytest.approx(sum(again(RTT, tries) for tries in range(losses)))


@pytest.mark.parametrize(
    ("segments", "more", "draws", "wait"),
    [
        (10, False, [LOST], RTT),  # others behind it tell (RACK)
        (10, False, [LOST, LOST], RTT + RTO),  # what was sent again is lost too
        (10, False, [ARRIVES] * 9 + [LOST], 2 * RTT),  # the last of several: tail loss probe
        (10, True, [ARRIVES] * 9 + [LOST], RTT),  # the last of this flight, but more follow
        (1, True, [LOST], RTT),
        (2, False, [ARRIVES, LOST], 2 * RTT),
    ],
)
def test_where_in_its_flight_a_segment_is_lost_decides(
    segments: int, more: bool, draws: list[float], wait: float
) -> None:
    """With others behind it one round trip, at the tail two, and a time-out where the repetition is lost as well."""
    assert stall(segments, more=more, loss=0.5, rtt=RTT, random=drawn(*draws)) == pytest.approx(wait)


def test_of_several_losses_in_a_flight_the_longest_wait_counts() -> None:
    """Three lost at once are sent again in one round trip, not in three; a tail's probe covers what is before it."""
    one = [LOST, ARRIVES]
    assert stall(10, more=False, loss=0.5, rtt=RTT, random=drawn(*one * 3)) == pytest.approx(RTT)
    draws = [LOST, ARRIVES] + [ARRIVES] * 8 + [LOST]
    assert stall(10, more=False, loss=0.5, rtt=RTT, random=drawn(*draws)) == pytest.approx(2 * RTT)
    draws = [LOST, LOST, ARRIVES, LOST]
    assert stall(10, more=False, loss=0.5, rtt=RTT, random=drawn(*draws)) == pytest.approx(RTT + RTO)


def test_nothing_lost_costs_nothing_and_everything_lost_comes_to_an_end() -> None:
    """Retries have a limit, so that a loss of 100 % is a long wait and not an endless loop."""
    assert stall(1000, more=False, loss=0.0, rtt=RTT, random=Random(1).random) == 0.0
    for segments in (1, 5):
        assert stall(segments, more=False, loss=1.0, rtt=RTT, random=Random(1).random) > 60.0
    assert again(RTT, RETRIES + 5) == LONGEST_RTO


@pytest.mark.parametrize("segments", [1, 4])
def test_the_share_of_flights_that_stall_is_the_binomial_one(segments: int) -> None:
    """1 - (1 - p)^n of flights of n segments, within four deviations."""
    loss, flights, random = 0.03, 5000, Random(5).random
    stalled = sum(stall(segments, more=False, loss=loss, rtt=RTT, random=random) > 0 for _ in range(flights))
    share = 1 - (1 - loss) ** segments
    assert abs(stalled - flights * share) <= 4 * (flights * share * (1 - share)) ** 0.5


def rate(loss: float, rtt: float, size: int, seed: int) -> float:
    """Return the bytes per second of a long transfer through a window, as a half of the relay sends it."""
    window, random = CongestionWindow(rtt), Random(seed).random
    under_way: deque[tuple[float, int, bool]] = deque()
    now = last = 0.0
    left = size
    while left or under_way:
        while left and (flight := min(left, 64 << 10, window.room(now))) >= min(left, MSS):
            left -= flight
            limited = window.sent(flight, more=left > 0)
            if late := stall(math.ceil(flight / MSS), more=left > 0, loss=loss, rtt=rtt, random=random):
                window.lost(now)
            last = max(last, now + rtt + late)
            under_way.append((last, flight, limited))
        now, flight, limited = under_way.popleft()
        window.acknowledged(now, flight, limited=limited)
    return size / now


def test_a_long_transfer_is_capped_by_mathis_formula(say: Callable[[str], None]) -> None:
    """MSS/RTT * sqrt(3/(2p)) within a quarter from 0.1 to 2 %, and no more than it at 5 %, where time-outs add up.

    Mathis, Semke, Mahdavi, Ott: The macroscopic behavior of the TCP congestion avoidance algorithm (1997).
    """
    found = []
    for rtt, loss in itertools.product((0.01, 0.1), (0.001, 0.005, 0.02, 0.05)):
        cap = MSS / rtt * math.sqrt(3 / (2 * loss))
        share = rate(loss, rtt, int(800 / loss**0.5) * MSS, seed=2) / cap
        found.append(f"{rtt * 1e3:g} ms, {loss:.1%}: {share:.2f}")
        assert 0.75 <= share <= 1.25 if loss < 0.05 else 0.5 <= share <= 1.05
    say("rate of a long transfer over Mathis' cap: " + "; ".join(found))
