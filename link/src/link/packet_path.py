"""The way of a packet through the link, for engines of packets: when it leaves, or what leaves in its place.

Pure, with the time handed in. Where nothing knows connections a packet costs a look-up and its delay.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from link.flow_table import FlowTable
from link.middlebox import Middlebox, PacketVerdict
from link.model import Conditions, Direction, Lane, directions
from link.stages import DROPS, Delay
from link.tcp_segment import TcpSegment, read, reset_onwards, reset_to_sender

FLOWS = 4096
"""Ways remembered before those on which nothing is under way are forgotten."""

Leaving = Sequence[tuple[float, bytes]]
"""Packets and when they leave, in seconds of the clock."""


@dataclass(slots=True)
class PathEntry:
    """One direction of one connection. A probe of the link's own meets only delay and bandwidth."""

    lane: Lane
    from_upstream: bool
    probe: bool


class PacketPath:
    """Takes packets to and from the upstream's port and the probe's; `both_ways` if those to the upstream come too.

    Where they do not, the replies bear the loss of both ways, and what strikes a request strikes its answer.
    """

    def __init__(self, port: int, probe_port: int, *, seed: int, both_ways: bool):
        self._port, self._probe_port = port.to_bytes(2), probe_port.to_bytes(2)
        self._both_ways = both_ways
        self._rng = Random(seed)
        self._down, self._up, self._calm = Direction(), Direction(), Direction()
        self._flows: FlowTable | None = None
        self._ways: dict[bytes, PathEntry] = {}
        self._limit = FLOWS
        self._done = dict.fromkeys(DROPS, 0)

    def change(self, conditions: Conditions, now: float, since: float) -> None:
        """Emulate these conditions from now on, for what is there already too; a partition counts from `since`."""
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
        """Return how many packets did not get through, by why."""
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
        way = self._ways.get(key) or self._new(key, packet[header : header + 2], now)
        flows = self._flows
        if flows is not None and not way.probe and (segment := read(packet)):
            return self._judged(flows, way, packet, segment, now)
        due = way.lane.deadline(now, len(packet))
        return () if due is None else ((due, packet),)

    def _judged(self, flows: FlowTable, way: PathEntry, packet: bytes, segment: TcpSegment, now: float) -> Leaving:
        verdict, hold = flows.judge(segment, now, from_upstream=way.from_upstream)
        if verdict is PacketVerdict.PASS:
            due = way.lane.deadline(now, len(packet), hold)
            return () if due is None else ((due, packet),)
        resets = []
        if verdict in {PacketVerdict.REFUSE, PacketVerdict.RESET}:
            resets.append((reset_to_sender(segment), not way.from_upstream))
        # Where the client's packets are not seen, its refusal has to come when the upstream answers them.
        if verdict is PacketVerdict.RESET or (
            verdict is PacketVerdict.REFUSE and not self._both_ways and not segment.ends
        ):
            resets.append((reset_onwards(segment), way.from_upstream))
        left = [(self._way(reset, now, down=down).lane.deadline(now, len(reset)), reset) for reset, down in resets]
        return [(due, reset) for due, reset in left if due is not None]

    def _way(self, packet: bytes, now: float, *, down: bool) -> PathEntry:
        key = packet[12:20] + packet[20:24]
        return self._ways.get(key) or self._new(key, self._port if down else b"", now)

    def _new(self, key: bytes, source_port: bytes, now: float) -> PathEntry:
        if len(self._ways) >= self._limit:
            self._ways = {each: way for each, way in self._ways.items() if way.lane.last > now}
            self._limit = max(FLOWS, 2 * len(self._ways))
        probe = source_port == self._probe_port
        from_upstream = probe or source_port == self._port
        direction = self._calm if probe else self._down if from_upstream else self._up
        way = self._ways[key] = PathEntry(Lane(direction), from_upstream, probe)
        return way
