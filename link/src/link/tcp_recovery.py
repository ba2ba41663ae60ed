"""How many seconds TCP needs to recover from a loss, by formula: for the relay, which has no packets to lose.

A lost SYN is sent again after 1, 2, 4 ... seconds (RFC 6298's first time-out, Linux's tcp_syn_retries of 6). A lost
segment with others behind it is found a round trip later (RFC 8985, RACK), the last of several by a tail loss probe
two round trips later (section 7 there), a single one by a probe after about a time-out. Only then come the time-outs
themselves, each double the one before: a probe is none. Linux 6.18 through the tun engine at 40 ms, single segments:
280 to 300 ms in all after one loss, 540 after two, 1040 after three, 2100 after four.
"""

from collections.abc import Callable

MIN_RTO = 0.2
"""Linux's least retransmission time-out in seconds, to which the round trip is added."""

LONGEST_RTO = 120.0
"""Linux's TCP_RTO_MAX."""

RETRIES = 15
"""Linux's tcp_retries2: after that many losses a segment is not sent again."""

SYN_RTO = 1.0
SYN_RETRIES = 6


def time_out(rtt: float, tries: int) -> float:
    """Return the retransmission time-out after `tries` earlier ones."""
    return min(LONGEST_RTO, (MIN_RTO + rtt) * 2.0 ** min(tries, RETRIES))


def again(rtt: float, tries: int) -> float:
    """Return after how long a single segment that was lost `tries` times before is sent again; a probe comes first."""
    return time_out(rtt, max(0, tries - 1))


def syn_time_out(tries: int) -> float | None:
    """Return after how long a lost SYN is sent again; None when the kernel gives up."""
    return SYN_RTO * 2.0**tries if tries < SYN_RETRIES else None


def stall(segments: int, *, more: bool, loss: float, rtt: float, random: Callable[[], float]) -> float:
    """Return by how much a flight of segments is delayed because some of them were lost; 0 if none was.

    With `more` behind the flight, its last segment is not the last. Segments behind a lost one wait for it; of several
    lost ones the longest wait counts, because they are sent again in the same round trips.
    """
    longest = 0.0
    for index in range(segments):
        if random() >= loss:
            continue
        alone = segments == 1 and not more
        tail = index == segments - 1 and not more
        wait = again(rtt, 0) if alone else 2 * rtt if tail else rtt
        tries = 0
        while random() < loss and tries < RETRIES:
            wait += time_out(rtt, tries)
            tries += 1
        longest = max(longest, wait)
    return longest
