"""What a connection pays the link for, moment by moment."""

import struct
from random import Random

import pytest

from link.model import Conditions
from link.packet_path import PacketPath
from link.path_charge import LaneCharge, PathCharges
from link.tcp_segment import SYN

UPSTREAM = 8001


def path(**conditions: float) -> PacketPath:
    made = PacketPath(UPSTREAM, 9999, seed=1, both_ways=True)
    made.change(Conditions(**conditions), now=0.0, since=0.0)  # type: ignore[arg-type]
    return made


def reply(sequence: int, size: int, flags: int = 0x10, client: int = 50_000) -> bytes:
    """A packet of the upstream's with so much payload."""
    tcp = struct.pack("!HHIIBBHHH", UPSTREAM, client, sequence, 1, 8 << 4, flags, 0, 0, 0) + bytes(12 + size)
    addresses = bytes([10, 0, 0, 1, 10, 0, 0, 2])
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + addresses + tcp


def test_packets_that_travel_together_pay_for_the_time_once() -> None:
    """Ten of one response, a millisecond apart, on a way of 40 ms: 49 ms in all."""
    made = path(rtt=0.04)
    for number in range(10):
        made.take(reply(number * 1000, 1000), now=1.0 + number / 1000)
    assert made.charges.propagation == pytest.approx(0.049)
    assert made.charges.bandwidth_queue == 0.0


def test_waiting_for_the_bandwidth_is_no_travelling() -> None:
    """Ten packets of 1300 bytes at once over 1 Mbit/s take some 10 ms each, and 40 ms for the way."""
    made = path(rtt=0.04, down=1e6, queue=10.0)
    for number in range(10):
        (left,) = made.take(reply(number * 1300, 1300), now=1.0)
    assert made.charges.bandwidth_queue == pytest.approx(left[0] - 1.04)
    assert made.charges.bandwidth_queue > 0.1
    assert made.charges.propagation == pytest.approx(0.04)


def test_two_connections_pay_each_for_itself() -> None:
    made = path(rtt=0.04)
    for client in (50_000, 50_001):
        made.take(reply(0, 1000, client=client), now=1.0)
    assert made.charges.propagation == pytest.approx(0.08)


def test_a_lost_segment_costs_the_time_until_it_is_sent_again() -> None:
    """Whatever passes behind it meanwhile; the copy travels as any other."""
    made = path(rtt=0.04, loss=0.5)
    lost, now = None, 1.0
    for number in range(100):  # seeded: the first that is lost comes soon
        now += 0.001
        if not made.take(reply(number * 1000, 1000), now):
            lost = number * 1000
            break
    assert lost is not None
    before = made.charges.propagation
    made.change(Conditions(rtt=0.04), now, 0.0)
    made.take(reply(lost + 1000, 1000), now + 0.01)
    assert made.charges.retransmission == 0.0
    made.take(reply(lost, 1000), now + 0.3)
    arrived = now + 0.05
    assert made.charges.retransmission == pytest.approx(now + 0.3 - arrived)
    assert made.charges.propagation - before <= 0.05 + 0.04 + 1e-9


def test_a_segment_that_the_full_queue_dropped_is_the_bandwidths() -> None:
    made = path(down=1e6, queue=0.001)
    assert made.take(reply(0, 1300), now=1.0)
    assert not made.take(reply(1300, 1300), now=1.0)
    queued = made.charges.bandwidth_queue
    assert made.take(reply(1300, 1300), now=1.2)
    assert made.charges.bandwidth_queue - queued > 0.18
    assert made.charges.retransmission == 0.0


def test_a_handshake_is_charged_apart_and_what_has_no_payload_is_not() -> None:
    made = path(rtt=0.04)
    made.take(reply(0, 0, flags=SYN | 0x10), now=1.0)
    made.take(reply(1, 0), now=2.0)
    assert made.charges.handshake == pytest.approx(0.04)
    assert made.charges.connections == 1
    assert made.charges.propagation == 0.0


def test_a_stall_of_a_relays_chunk_is_a_retransmission_and_counted_once() -> None:
    """The chunk behind it arrives no earlier, and pays nothing for that."""
    charges, lane = PathCharges(), LaneCharge()
    lane.passed(charges, 1.0, 1.0, 1.24, stall=0.2)
    lane.passed(charges, 1.01, 1.01, 1.24)
    assert charges.as_json() == pytest.approx(
        {"propagation": 40, "retransmission": 200, "bandwidth_queue": 0, "handshake": 0, "connections": 0}
    )


def test_a_connection_pays_for_no_moment_twice() -> None:
    """Random packets: all that it paid is no longer than from its first packet to its last arrival."""
    chance, made = Random(3), path(rtt=0.03, down=2e6, queue=0.05, loss=0.05)
    now, last = 1.0, 1.0
    for number in range(500):
        now += chance.expovariate(1 / 0.004)
        for due, _ in made.take(reply(number * 1000, chance.randint(100, 1400)), now):
            last = max(last, due)
    charges = made.charges
    assert charges.propagation + charges.bandwidth_queue + charges.retransmission <= last - 1.0
    assert charges.propagation > 0.03
