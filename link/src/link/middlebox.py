"""Boxes on the way that track connections: a NAT or load balancer that forgets idle ones, a firewall that rejects.

Pure: the time and the random numbers are arguments. Every engine asks it what happens to the packet that a connection
has just sent. In the relay a packet is one read; where requests are not visible, their responses count instead.
"""

from dataclasses import dataclass
from enum import Enum
from random import Random

from link.model import Conditions


class PacketVerdict(Enum):
    """What happens to a packet."""

    PASS = "pass"
    VANISH = "vanish"
    """It is dropped, and no side gets a RST."""
    REFUSE = "refuse"
    """It is dropped, and only its sender gets a RST."""
    RESET = "reset"
    """It is dropped, and both sides get a RST."""


@dataclass
class Flow:
    """The state of one connection."""

    seen: float
    """When a packet of it last passed."""
    asked: bool = False
    """The client was the last to send: what it sends now belongs to the same request."""
    acknowledged: int | None = None
    """What the upstream's last bytes acknowledged, where the client's packets are not visible."""
    opened: int | None = None
    """The client's first sequence number, by which a repeated SYN is recognised."""
    accepted: int | None = None
    """The upstream's, by which a repeated SYN-ACK is recognised."""
    reset: bool = False


class Middlebox:
    """Decides per packet. A partition's seconds count from `since`; connections are tracked from `watching_since` on.

    Both, and the counts by cause (`done`), may be those of the box before a change.
    """

    def __init__(
        self, conditions: Conditions, rng: Random, done: dict[str, int], *, since: float, watching_since: float
    ):
        self.watching_since = watching_since
        self.conditions = conditions
        self._done = done
        self._random = rng.random
        self._since = since
        self._forgotten = PacketVerdict.REFUSE if conditions.idle_reset else PacketVerdict.VANISH

    @staticmethod
    def needed(conditions: Conditions) -> bool:
        """Return whether these conditions need one."""
        rejects = conditions.partition is not None and conditions.partition_reset
        return bool(conditions.idle_drop or conditions.resets or conditions.accept_delay or rejects)

    def rejects(self, now: float) -> bool:
        """Return whether a partition that rejects is active."""
        partition = self.conditions.partition
        return partition is not None and self.conditions.partition_reset and partition.is_active(now - self._since)

    def adopts(self, now: float) -> bool:
        """Return whether a connection without state may be older than the tracking, rather than forgotten."""
        idle = self.conditions.idle_drop
        return not idle or now - self.watching_since <= idle

    def unknown(self) -> PacketVerdict:
        """Decide on a packet of a connection without state, and count it."""
        self._done["idle"] += 1
        return self._forgotten

    def alive(self, flow: Flow, now: float) -> bool:
        """Return whether the state of a connection is still kept."""
        idle = self.conditions.idle_drop
        return not idle or now - flow.seen <= idle

    def meet(self, flow: Flow, now: float, *, begins_request: bool) -> PacketVerdict:
        """Decide on a packet of a connection; `begins_request` if it is the first of a request.

        1. a partition that rejects answers everything with a RST
        2. what was reset stays so
        3. idle for too long: its state is gone, for good
        4. a request may meet a reset
        """
        if self.rejects(now):
            self._done["partition"] += 1
            return PacketVerdict.REFUSE
        if flow.reset:
            return PacketVerdict.REFUSE
        if not self.alive(flow, now):
            return self.unknown()
        flow.seen = now
        if begins_request and self._random() < self.conditions.resets:
            self._done["reset"] += 1
            flow.reset = True
            return PacketVerdict.RESET
        return PacketVerdict.PASS


def begins(flow: Flow, *, from_client: bool) -> bool:
    """Return whether bytes of this side are the first of a request: the client's first ever, or after an answer."""
    first = from_client and not flow.asked
    flow.asked = from_client
    return first


def answers(flow: Flow, acknowledged: int) -> bool:
    """Return whether bytes of the upstream are the first of an answer, known by what they acknowledge anew."""
    first = flow.acknowledged != acknowledged
    flow.acknowledged = acknowledged
    return first
