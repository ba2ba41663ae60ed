"""What the link's connections paid for: propagation, bandwidth, retransmission, handshakes. Pure: the time is given.

A connection pays for each moment once, however many of its packets are on their way: a response of a hundred packets
that all wait for the bandwidth waits as long as the last of them. Moments in which some wait and some travel are the
wait's. What nobody waits for (packets without payload) is not charged.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class PathCharges:
    """Seconds, summed over connections, and how many connections were opened."""

    propagation: float = 0.0
    retransmission: float = 0.0
    bandwidth_queue: float = 0.0
    handshake: float = 0.0
    connections: int = 0

    def opened(self, seconds: float) -> None:
        """Charge the handshake of a connection."""
        self.handshake += seconds
        self.connections += 1

    def as_json(self) -> dict[str, float]:
        """Return milliseconds."""
        return {
            "propagation": 1e3 * self.propagation,
            "retransmission": 1e3 * self.retransmission,
            "bandwidth_queue": 1e3 * self.bandwidth_queue,
            "handshake": 1e3 * self.handshake,
            "connections": self.connections,
        }


@dataclass(slots=True)
class LaneCharge:
    """One direction of one connection. `lost` is the sequence number of a segment that was dropped, at `lost_at`."""

    _sent_until: float = 0.0
    _arrived_until: float = 0.0
    lost: int | None = None
    lost_at: float = 0.0
    _lost_to_queue: bool = False

    def passed(self, charges: PathCharges, now: float, sent: float, arrives: float, stall: float = 0.0) -> None:
        """Charge for payload that came `now`, was on the wire at `sent`, and arrives later, `stall` of it by a loss."""
        queued = max(0.0, sent - max(now, self._sent_until))
        whole = max(0.0, arrives - max(now, self._arrived_until))
        lost = min(stall, max(0.0, whole - queued))
        charges.bandwidth_queue += queued
        charges.retransmission += lost
        charges.propagation += max(0.0, whole - queued - lost)
        self._sent_until = max(self._sent_until, sent)
        self._arrived_until = max(self._arrived_until, arrives)

    def dropped(self, sequence: int, now: float, *, queue_full: bool) -> None:
        """Note that a segment was dropped; of several the first counts until it is sent again."""
        if self.lost is None:
            self.lost, self.lost_at, self._lost_to_queue = sequence, now, queue_full

    def sent_again(self, charges: PathCharges, now: float) -> None:
        """Charge for the time until a dropped segment passed: the bandwidth's if its queue was full."""
        waited = max(0.0, now - max(self.lost_at, self._arrived_until))
        if self._lost_to_queue:
            charges.bandwidth_queue += waited
        else:
            charges.retransmission += waited
        self.lost = None
