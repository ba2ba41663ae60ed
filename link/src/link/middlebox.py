"""The boxes on the way that know connections: a NAT or load balancer that forgets an idle one, a firewall that rejects.

Pure, with the time and the random numbers handed in. One decision for every engine: what becomes of what a connection
has just sent. Where bytes are relayed a packet is a read; where requests cannot be seen, the replies stand for them.
"""

from dataclasses import dataclass
from enum import Enum
from random import Random

from link.model import Conditions


class PacketVerdict(Enum):
    """What becomes of a packet."""

    PASS = "pass"
    VANISH = "vanish"
    """It is dropped and nobody is told."""
    REFUSE = "refuse"
    """It is dropped, and who sent it is answered by a RST; the other side is not told."""
    RESET = "reset"
    """It is dropped, and both sides get a RST."""


@dataclass
class Flow:
    """What is remembered of one connection."""

    seen: float
    """When something of it passed."""
    asked: bool = False
    """The client has sent since the upstream did: what it sends now belongs to the same request."""
    acknowledged: int | None = None
    """What the upstream's last bytes acknowledged, where the client's are not seen."""
    opened: int | None = None
    """The client's first sequence number: a repeated SYN is known by it."""
    accepted: int | None = None
    """The upstream's: a repeated SYN-ACK is known by it."""
    reset: bool = False


class Middlebox:
    """Decides per packet. `since` is where a partition's seconds count from, `watching_since` when it began to keep
    the state of connections; both, and the counts by what happened (`done`), may be those of the box before it.
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
        """Return whether these conditions ask for one."""
        rejects = conditions.partition is not None and conditions.partition_reset
        return bool(conditions.idle_drop or conditions.resets or conditions.accept_delay or rejects)

    def rejects(self, now: float) -> bool:
        """Return whether a partition holds that answers who sends."""
        partition = self.conditions.partition
        return partition is not None and self.conditions.partition_reset and partition.holds(now - self._since)

    def adopts(self, now: float) -> bool:
        """Return whether a connection whose beginning was not seen may be an older one, rather than a forgotten one."""
        idle = self.conditions.idle_drop
        return not idle or now - self.watching_since <= idle

    def unknown(self) -> PacketVerdict:
        """Return what becomes of a packet of a connection there is no state of."""
        self._done["idle"] += 1
        return self._forgotten

    def alive(self, flow: Flow, now: float) -> bool:
        """Return whether the state of a connection is still kept."""
        idle = self.conditions.idle_drop
        return not idle or now - flow.seen <= idle

    def meet(self, flow: Flow, now: float, *, begins_request: bool) -> PacketVerdict:
        """Decide on a packet of a connection; `begins_request` if it is the first of a request.

        1. a partition that rejects answers everything
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
