"""The link model with a clock and random numbers handed in; the formulas are the oracle."""

import math
from random import Random

import pytest

from link.congestion_window import INITIAL, LARGEST, CongestionWindow
from link.model import Conditions, Direction, Lane, directions, wire_size
from link.stages import Delay, Partition, Serialiser, parse_partition

MBIT = 1e6


def test_a_packet_arrives_one_round_trip_later_on_the_way_down_and_at_once_on_the_way_up() -> None:
    """The whole round trip is spent on one side."""
    down, up = directions(Conditions(rtt=0.04), Random(1))
    assert Lane(down).deadline(10.0, 100) == pytest.approx(10.04)
    assert Lane(up).deadline(10.0, 100) == 10.0


def test_jitter_only_adds_is_bounded_and_never_reorders() -> None:
    """Each deadline is at least the round trip, at most three deviations more, and not before the one before it."""
    down, _ = directions(Conditions(rtt=0.04, jitter=0.01), Random(7))
    lane = Lane(down)
    sent = [index * 0.001 for index in range(2000)]
    due = [lane.deadline(at, 100) or 0.0 for at in sent]
    assert due == sorted(due)
    assert all(0.04 <= arrives - at <= 0.04 + 0.03 + 1e-9 for at, arrives in zip(sent, due, strict=True))


def test_jitter_is_half_a_normal_distribution() -> None:
    """Its mean is the deviation times the root of 2/pi, within sampling error."""
    delay = Delay(0.0, 0.01, Random(3))
    draws = [delay.through(0.0, 0) for _ in range(20_000)]
    assert sum(draws) / len(draws) == pytest.approx(0.01 * math.sqrt(2 / math.pi), rel=0.03)


def test_the_seed_repeats_the_jitter_and_another_does_not() -> None:
    """A run can be repeated."""

    def draws(seed: int) -> list[float | None]:
        lane = Lane(directions(Conditions(rtt=0.04, jitter=0.01), Random(seed))[0])
        return [lane.deadline(float(at), 1) for at in range(20)]

    assert draws(5) == draws(5)
    assert draws(5) != draws(6)


def test_bandwidth_spaces_packets_by_their_size() -> None:
    """1500 bytes at 12 Mbit/s take a millisecond, one after the other, then fly."""
    down, _ = directions(Conditions(rtt=0.04, down=12 * MBIT), Random(1))
    lane = Lane(down)
    assert [lane.deadline(0.0, 1500) for _ in range(3)] == pytest.approx([0.041, 0.042, 0.043])


def test_bandwidth_is_shared_by_all_connections_of_a_direction_and_not_by_both() -> None:
    """Two lanes of one direction queue behind one another; the other direction has its own pipe."""
    down, up = directions(Conditions(down=12 * MBIT, up=12 * MBIT), Random(1))
    assert Lane(down).deadline(0.0, 1500) == pytest.approx(0.001)
    assert Lane(down).deadline(0.0, 1500) == pytest.approx(0.002)
    assert Lane(up).deadline(0.0, 1500) == pytest.approx(0.001)


def test_a_full_queue_drops_and_room_comes_back_with_time() -> None:
    """10 ms of queue at 12 Mbit/s hold ten packets beside the one being sent."""
    pipe = Serialiser(12 * MBIT, 0.01)
    passed = [pipe.through(0.0, 1500) for _ in range(20)]
    assert [each is not None for each in passed] == [True] * 11 + [False] * 9
    assert pipe.room_at(0.0) == pytest.approx(0.001)
    assert pipe.through(pipe.room_at(0.0), 1500) == pytest.approx(0.012)


def test_a_relay_waits_where_a_packet_is_dropped() -> None:
    """What is sent as soon as there is room is never lost, only later."""
    down, _ = directions(Conditions(rtt=0.04, down=12 * MBIT, queue=0.01), Random(1))
    lane = Lane(down)
    arrivals = [lane.arrival(0.0, 1500) for _ in range(100)]
    assert arrivals == pytest.approx([0.04 + 0.001 * count for count in range(1, 101)])


def test_one_more_stage_is_one_more_class() -> None:
    """A stage that drops makes the lane say so, is counted under its name, and leaves the packets after it alone."""

    class Odd:
        why = "odd"

        def through(self, at: float, size: int) -> float | None:
            return None if size % 2 else at

    direction = Direction([Odd(), Delay(0.04, 0.0, Random(1))])
    lane = Lane(direction)
    assert [lane.deadline(at, at) for at in (2, 3, 4)] == [pytest.approx(2.04), None, pytest.approx(4.04)]
    assert direction.dropped == {"odd": 1}


def test_headers_are_charged_per_segment() -> None:
    """A byte costs a whole header, a full segment one, one byte more two."""
    assert [wire_size(size) for size in (0, 1, 1448, 1449)] == [0, 53, 1500, 1449 + 104]


def rounds(window: CongestionWindow, size: int, now: float, rtt: float) -> tuple[int, float]:
    """Send `size` bytes through a window, window by window; return the round trips it took and the time after."""
    count = 0
    while size:
        flight = min(size, window.room(now))
        size -= flight
        limited = window.sent(flight, more=size > 0)
        now += rtt
        window.acknowledged(now, flight, limited=limited)
        count += 1
    return count, now


@pytest.mark.parametrize("size", [100, 14_000, 30_000, 100_000, 217_000, 1_000_000, 3_000_000])
def test_slow_start_takes_the_rounds_of_the_formula(size: int) -> None:
    """A fresh connection needs ceil(log2(1 + B / (10 MSS))) round trips for B bytes (RFC 6928, RFC 5681)."""
    assert rounds(CongestionWindow(0.04), size, 0.0, 0.04)[0] == math.ceil(math.log2(1 + size / INITIAL))


def test_a_warm_connection_needs_one_round() -> None:
    """The window has grown, and stays while it is used."""
    window = CongestionWindow(0.04)
    _, now = rounds(window, 100_000, 0.0, 0.04)
    assert rounds(window, 100_000, now, 0.04)[0] == 1


def test_idling_halves_the_window_per_time_out_down_to_the_initial_one() -> None:
    """After 1.5 s at 40 ms (six time-outs of 240 ms) 100 kB take three rounds again; after a short rest two."""
    window = CongestionWindow(0.04)
    _, now = rounds(window, 100_000, 0.0, 0.04)
    count, now = rounds(window, 100_000, now + 0.3, 0.04)
    assert count == 2
    assert rounds(window, 100_000, now + 1.5, 0.04)[0] == 3


def test_a_window_is_bounded_and_small_requests_do_not_grow_it() -> None:
    """What one connection holds in memory has a limit, and only a limited sender grows its window."""
    window = CongestionWindow(0.04)
    rounds(window, 64 << 20, 0.0, 0.04)
    assert window.size == LARGEST
    small = CongestionWindow(0.04)
    for second in range(100):
        rounds(small, 100, second * 0.05, 0.04)
    assert small.size == INITIAL


def test_without_a_round_trip_the_window_is_open() -> None:
    """Nothing waits for acknowledgements that take no time."""
    assert rounds(CongestionWindow(0.0), 1_000_000, 0.0, 0.0)[0] == 1


@pytest.mark.parametrize(
    ("text", "begin", "end"), [("5s-10s", 5, 10), ("0s-0.5s", 0, 0.5), ("1.25s-", 1.25, math.inf), ("0s-", 0, math.inf)]
)
def test_a_partition_is_read_and_written_the_same(text: str, begin: float, end: float) -> None:
    """A span of seconds, or from a second on for good."""
    found = parse_partition(text)
    assert found == Partition(begin, end)
    assert str(found) == text


def test_off_is_none() -> None:
    """Nothing is parted."""
    assert parse_partition("off") is None


@pytest.mark.parametrize("text", ["", "5", "5s", "-5s", "5-10", "5s-10", "5s - 10s", "5s-10s ", "5ms-6ms", "-5s-6s",
                                  "1e3s-", "on", "OFF", "\N{ARABIC-INDIC DIGIT FIVE}s-", "5s-\n"])  # fmt: skip
def test_what_is_not_a_span_is_said(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="not a span of seconds"):
        parse_partition(text)


@pytest.mark.parametrize("text", ["10s-5s", "5s-5s"])
def test_a_span_that_ends_before_it_begins_is_said(text: str) -> None:
    """Nor does one without a length do anything."""
    with pytest.raises(ValueError, match="ends before it has begun"):
        parse_partition(text)


def test_it_holds_from_its_beginning_up_to_its_end() -> None:
    """Half open: its end is not part of it; one for good has no end."""
    short, long = Partition(5, 10), Partition(5)
    assert [short.is_active(second) for second in (0, 4.999, 5, 9.999, 10)] == [False, False, True, True, False]
    assert long.is_active(1e9)
