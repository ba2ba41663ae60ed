"""The table of connections before a middlebox, fed with segments and a clock of the test's own."""

from random import Random

import pytest

from link.flow_table import LARGEST, FlowTable
from link.middlebox import Middlebox, PacketVerdict
from link.model import Conditions
from link.stages import DROPS
from link.tcp_segment import ACKNOWLEDGES, FIN, RST, SYN, TcpSegment

UPSTREAM = bytes([10, 0, 0, 1]) + (8001).to_bytes(2)


class Tracked:
    """One flow table, and segments of clients, which differ by their number."""

    def __init__(self, conditions: Conditions, *, both_ways: bool = True, watching_since: float = -1e9):
        self.done = dict.fromkeys(DROPS, 0)
        box = Middlebox(conditions, Random(1), self.done, since=0.0, watching_since=watching_since)
        self.flows = FlowTable(box, both_ways=both_ways)

    def client(
        self, now: float, *, flags: int = ACKNOWLEDGES, payload: int = 0, number: int = 1, sequence: int = 100
    ) -> tuple[PacketVerdict, float]:
        """Return the verdict on a segment of a client."""
        segment = TcpSegment(address(number), UPSTREAM, sequence, 0, flags, payload)
        return self.flows.judge(segment, now, from_upstream=False)

    def upstream(
        self, now: float, *, flags: int = ACKNOWLEDGES, payload: int = 0, acknowledges: int = 1
    ) -> tuple[PacketVerdict, float]:
        """Return the verdict on a segment of the upstream to client 1."""
        segment = TcpSegment(UPSTREAM, address(1), 500, acknowledges, flags, payload)
        return self.flows.judge(segment, now, from_upstream=True)


def address(number: int) -> bytes:
    """Return a client's address and port."""
    return bytes([10, 1]) + number.to_bytes(4)


PASS, VANISH, REFUSE, RESET = (
    (each, 0.0) for each in (PacketVerdict.PASS, PacketVerdict.VANISH, PacketVerdict.REFUSE, PacketVerdict.RESET)
)


@pytest.mark.parametrize(("answered", "verdict"), [(False, VANISH), (True, REFUSE)])
def test_a_flow_is_kept_while_it_is_used_and_forgotten_after_its_rest(answered: bool, verdict: object) -> None:
    """Packets of either side keep it; forgotten it stays so, and only a new SYN makes it anew."""
    tracked = Tracked(Conditions(idle_drop=10, idle_reset=answered))
    assert tracked.client(0, flags=SYN) == PASS
    assert [tracked.client(9), tracked.upstream(18), tracked.client(28)] == [PASS] * 3
    assert [tracked.client(38.1), tracked.upstream(38.2), tracked.client(38.3)] == [verdict] * 3
    assert tracked.done["idle"] == 3
    assert tracked.client(39, flags=SYN, sequence=900) == PASS
    assert tracked.client(40) == PASS


def test_a_reset_is_never_answered_by_a_reset() -> None:
    """It vanishes where anything else would be refused (RFC 9293, 3.10.7.1)."""
    tracked = Tracked(Conditions(idle_drop=10, idle_reset=True))
    assert tracked.client(0, flags=RST) == VANISH
    assert tracked.client(0) == REFUSE


def test_what_was_open_before_the_watch_began_is_adopted_for_as_long_as_it_may_rest() -> None:
    """A link that has just started or changed takes an unknown flow for an older one until the idle time is over."""
    tracked = Tracked(Conditions(idle_drop=10), watching_since=0.0)
    assert tracked.client(9.9) == PASS
    assert tracked.client(10.1, number=2) == VANISH
    assert tracked.client(19.8) == PASS


def test_the_first_bytes_of_every_request_may_meet_a_reset_and_then_nothing_passes() -> None:
    """Neither handshake nor acknowledgement nor FIN; the rest of a reset connection is refused, a new one is not."""
    tracked = Tracked(Conditions(resets=1.0))
    assert [tracked.client(0, flags=SYN), tracked.upstream(0, flags=SYN | ACKNOWLEDGES), tracked.client(0)] == [
        PASS
    ] * 3
    assert tracked.client(1, payload=10) == RESET
    assert [tracked.client(1, payload=10), tracked.upstream(1), tracked.client(1, flags=FIN)] == [REFUSE] * 3
    assert tracked.done["reset"] == 1
    assert tracked.client(2, flags=SYN, sequence=900) == PASS


def test_a_request_is_counted_once_however_many_segments_it_has() -> None:
    """With a share of a third about a third of 3,000 requests of five segments meet one."""
    tracked = Tracked(Conditions(resets=1 / 3))
    for number in range(3000):
        for _ in range(5):
            if tracked.client(0, payload=10, number=number)[0] is not PacketVerdict.PASS:
                break
    assert abs(tracked.done["reset"] - 1000) <= 4 * (3000 / 3 * 2 / 3) ** 0.5


def test_a_request_after_an_answer_is_another_one() -> None:
    """The upstream's bytes end a request; the client's next begin one."""
    tracked = Tracked(Conditions(resets=0.5))
    draws = iter([0.9, 0.9, 0.1])
    tracked.flows.box._random = lambda: next(draws)
    assert [tracked.client(0, payload=1), tracked.client(0, payload=1), tracked.upstream(0, payload=1)] == [PASS] * 3
    assert tracked.client(1, payload=1) == PASS
    assert tracked.upstream(1, payload=1) == PASS
    assert tracked.client(2, payload=1) == RESET


def test_where_requests_are_not_seen_an_answer_that_acknowledges_more_counts_as_one() -> None:
    """Its later segments acknowledge the same, and are not another one."""
    tracked = Tracked(Conditions(resets=0.5), both_ways=False)
    draws = iter([0.9, 0.1])
    tracked.flows.box._random = lambda: next(draws)
    assert tracked.upstream(0, flags=SYN | ACKNOWLEDGES) == PASS
    assert [tracked.upstream(1, payload=9, acknowledges=50) for _ in range(3)] == [PASS] * 3
    assert tracked.upstream(2, payload=9, acknowledges=90) == RESET


def test_a_slow_accept_holds_a_syn_ack_once() -> None:
    """One that is repeated comes behind it anyway, and would be held twice."""
    tracked = Tracked(Conditions(accept_delay=0.3))
    assert tracked.client(0, flags=SYN) == PASS
    assert tracked.upstream(0, flags=SYN | ACKNOWLEDGES) == (PacketVerdict.PASS, 0.3)
    assert tracked.client(1, flags=SYN) == PASS
    assert tracked.upstream(1, flags=SYN | ACKNOWLEDGES) == PASS
    assert tracked.client(5, flags=SYN, sequence=900) == PASS
    assert tracked.upstream(5, flags=SYN | ACKNOWLEDGES) == (PacketVerdict.PASS, 0.3)


def test_the_table_is_bounded_by_what_is_in_use() -> None:
    """Ten times as many connections as it keeps, one after the other: those that are over go."""
    tracked = Tracked(Conditions(idle_drop=1.0))
    for number in range(10 * LARGEST):
        tracked.client(number * 0.01, flags=SYN, number=number)
    assert len(tracked.flows._flows) <= LARGEST
    busy = Tracked(Conditions(idle_drop=1e6))
    for number in range(2 * LARGEST):
        busy.client(0, flags=SYN, number=number)
    assert busy.client(1, number=0) == PASS
