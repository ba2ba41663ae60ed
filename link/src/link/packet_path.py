"""A packet's path through the link, for engines of packets: when it leaves, or what leaves in its place.

Pure: the time is an argument. Without a middlebox a packet costs a look-up and the calculation of its delay.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

from link.flow_table import FlowTable
from link.middlebox import Middlebox, PacketVerdict
from link.model import Conditions, Direction, Lane, directions
from link.path_charge import LaneCharge, PathCharges
from link.stages import DROPS, Delay
from link.tcp_segment import SYN, TcpSegment, read, reset_onwards, reset_to_sender

_LONGEST_HEADER = 60
"""Bytes of a TCP header at the most: a longer packet has payload."""

MOST_ENTRIES = 4096
"""Entries kept before those without a packet in flight are removed."""

Leaving = Sequence[tuple[float, bytes]]
"""Packets and when they leave, in seconds of the clock."""


@dataclass(slots=True)
class PathEntry:
    """One direction of one connection. To the link's own self-test (`probe`) only delay and bandwidth apply."""

    lane: Lane
    from_upstream: bool
    probe: bool
    charge: LaneCharge = field(default_factory=LaneCharge)


class PacketPath:
    """Takes packets from the upstream's port and the self-test's; with `both_ways` those to the upstream too.

    Without, the replies get the loss of both ways, and what would happen to a request happens to its response.
    """

    def __init__(self, port: int, probe_port: int, *, seed: int, both_ways: bool):
        self._port, self._probe_port = port.to_bytes(2), probe_port.to_bytes(2)
        self._both_ways = both_ways
        self._rng = Random(seed)
        self._down, self._up, self._calm = Direction(), Direction(), Direction()
        self._flows: FlowTable | None = None
        self._entries: dict[bytes, PathEntry] = {}
        self._limit = MOST_ENTRIES
        self._done = dict.fromkeys(DROPS, 0)
        self.charges = PathCharges()

    def change(self, conditions: Conditions, now: float, since: float) -> None:
        """Emulate these conditions from now on, for open connections too; a partition counts from `since`."""
        spent = conditions
        if not self._both_ways:
            spent = replace(conditions, loss=1 - (1 - conditions.loss) ** 2)
        down, up = directions(spent, self._rng, since=since)
        self._down.become(down)
        self._up.become(up)
        self._calm.become(Direction([Delay(conditions.rtt, conditions.jitter, self._rng)], pipe=self._down.pipe))
        before, self._flows = self._flows, None
        if Middlebox.needed(conditions):
            known = before is not None and before.box.conditions.idle_drop is not None
            watching = before.box.watching_since if before and known else now
            box = Middlebox(conditions, self._rng, self._done, since=since, watching_since=watching)
            self._flows = FlowTable(box, both_ways=self._both_ways, before=before)

    def dropped(self) -> dict[str, int]:
        """Return the number of dropped packets by cause."""
        counts = Counter(dict.fromkeys(DROPS, 0))
        for part in (self._down.dropped, self._up.dropped, self._calm.dropped, self._done):
            counts.update(part.copy())  # another thread may be counting
        return dict(counts)

    def take(self, packet: bytes, now: float) -> Leaving:
        """Return what leaves for a packet that arrives now: itself, nothing, or a RST."""
        header = (packet[0] & 15) * 4
        if packet[0] >> 4 != 4 or len(packet) < header + 4:
            return ()
        key = packet[12:20] + packet[header : header + 4]
        entry = self._entries.get(key) or self._new(key, packet[header : header + 2], now)
        flows = self._flows
        if flows is not None and not entry.probe and (segment := read(packet)):
            return self._judged(flows, entry, packet, segment, now)
        due = entry.lane.deadline(now, len(packet))
        if len(packet) > header + _LONGEST_HEADER or packet[header + 13] & SYN:
            self._charge(entry, packet, header, now, due)
        return () if due is None else ((due, packet),)

    def _charge(self, entry: PathEntry, packet: bytes, header: int, now: float, due: float | None) -> None:
        """Charge a packet that has payload, or a SYN-ACK; the self-test pays nothing."""
        if entry.probe:
            return
        charge, sequence = entry.charge, int.from_bytes(packet[header + 4 : header + 8])
        if packet[header + 13] & SYN:
            if entry.from_upstream and due is not None:
                self.charges.opened(due - now)
        elif due is None:
            charge.dropped(sequence, now, queue_full=entry.lane.direction.queue_full)
        else:
            if charge.lost == sequence:
                charge.sent_again(self.charges, now)
            charge.passed(self.charges, now, entry.lane.direction.sent, due)

    def _judged(self, flows: FlowTable, entry: PathEntry, packet: bytes, segment: TcpSegment, now: float) -> Leaving:
        verdict, hold = flows.judge(segment, now, from_upstream=entry.from_upstream)
        if verdict is PacketVerdict.PASS:
            due = entry.lane.deadline(now, len(packet), hold)
            if segment.payload or segment.opens:
                self._charge(entry, packet, (packet[0] & 15) * 4, now, due)
            return () if due is None else ((due, packet),)
        resets = []
        if verdict in {PacketVerdict.REFUSE, PacketVerdict.RESET}:
            resets.append((reset_to_sender(segment), not entry.from_upstream))
        # Where the client's packets are not visible, the client is refused when the upstream answers them.
        if verdict is PacketVerdict.RESET or (
            verdict is PacketVerdict.REFUSE and not self._both_ways and not segment.ends
        ):
            resets.append((reset_onwards(segment), entry.from_upstream))
        left = [(self._entry(reset, now, down=down).lane.deadline(now, len(reset)), reset) for reset, down in resets]
        return [(due, reset) for due, reset in left if due is not None]

    def _entry(self, packet: bytes, now: float, *, down: bool) -> PathEntry:
        key = packet[12:20] + packet[20:24]
        return self._entries.get(key) or self._new(key, self._port if down else b"", now)

    def _new(self, key: bytes, source_port: bytes, now: float) -> PathEntry:
        if len(self._entries) >= self._limit:
            self._entries = {key: entry for key, entry in self._entries.items() if entry.lane.last > now}
            self._limit = max(MOST_ENTRIES, 2 * len(self._entries))
        probe = source_port == self._probe_port
        from_upstream = probe or source_port == self._port
        direction = self._calm if probe else self._down if from_upstream else self._up
        entry = self._entries[key] = PathEntry(Lane(direction), from_upstream, probe)
        return entry
