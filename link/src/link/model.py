"""The link model: pure, with the time and the random numbers handed in. Engines only move what it decides on.

All times are seconds of one monotonic clock, sizes are bytes on the wire, rates bits per second, shares 0 to 1.
The whole round trip is spent on the way down (from the upstream): handshake and replies then cost exactly one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from link.stages import Blackhole, Delay, Loss, Partition, Serialiser, Stage

MSS = 1448
"""Payload bytes of one full segment on Ethernet with TCP timestamps."""

HEADERS = 52
"""IPv4 and TCP header bytes of one segment with timestamps."""

ACK = 0
"""Size of what carries no payload and is not charged to the bandwidth."""


@dataclass(frozen=True)
class Conditions:
    """What a link emulates; None for a rate means unlimited, `queue` is how much time's worth waits before a rate.

    `loss` is the share of packets lost each way, `resets` the share of requests that meet a reset, `idle_drop` after
    how long without a packet a connection's state is forgotten, `accept_delay` what a handshake takes beyond a round
    trip. With `idle_reset` or `partition_reset` who sends is answered by a RST, else packets vanish.
    """

    rtt: float = 0.0
    jitter: float = 0.0
    down: float | None = None
    up: float | None = None
    queue: float = 0.1
    loss: float = 0.0
    resets: float = 0.0
    idle_drop: float | None = None
    idle_reset: bool = False
    partition: Partition | None = None
    partition_reset: bool = False
    accept_delay: float = 0.0

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to emulate."""
        return not self.rtt and not self.jitter and self.down is None and self.up is None and not self.hazards

    @property
    def hazards(self) -> bool:
        """Whether there is more than delay and bandwidth."""
        return bool(self.loss or self.resets or self.idle_drop or self.partition or self.accept_delay)

    @property
    def concerns_requests(self) -> bool:
        """Whether what goes to the upstream is concerned too: the whole round trip alone is spent on the replies."""
        return self.up is not None or bool(self.loss or self.resets or self.idle_drop or self.partition)

    def calm(self) -> "Conditions":
        """Return only the delay and the bandwidth: what a measurement is to find."""
        return replace(self, loss=0.0, resets=0.0, idle_drop=None, partition=None, accept_delay=0.0)


class Direction:
    """One way through the link, with the stages all connections share. They may be replaced at any time."""

    def __init__(self, stages: Sequence[Stage] = (), pipe: Serialiser | None = None):
        self.pipe = pipe
        self.dropped: dict[str, int] = {}
        self._stages: tuple[Stage, ...] = (pipe, *stages) if pipe else tuple(stages)

    def become(self, other: "Direction") -> None:
        """Take over another's stages; what is being sent already keeps the pipe busy."""
        if other.pipe and self.pipe:
            other.pipe.busy_until = self.pipe.busy_until
        self.pipe, self._stages = other.pipe, other._stages

    def through(self, at: float, size: int) -> float | None:
        """Return when a packet comes out at the far end; None if a stage dropped it."""
        when = at
        for stage in self._stages:
            left = stage.through(when, size)
            if left is None:
                self.dropped[stage.why] = self.dropped.get(stage.why, 0) + 1
                return None
            when = left
        return when

    def room_at(self, now: float) -> float:
        """Return when the direction takes more: what a relay waits for, since it cannot lose bytes."""
        return self.pipe.room_at(now) if self.pipe else now


class Lane:
    """One connection's way through a direction: first in, first out, whatever the jitter."""

    def __init__(self, direction: Direction):
        self._direction = direction
        self.last = 0.0

    def deadline(self, now: float, size: int, late: float = 0.0) -> float | None:
        """Return when a packet sent now arrives, never before the one sent earlier; None if it is dropped.

        What holds back this packet alone (`late`) holds back what is sent after it too.
        """
        arrives = self._direction.through(now, size)
        if arrives is None:
            return None
        self.last = max(self.last, arrives + late)
        return self.last

    def room_at(self, now: float) -> float:
        """Return when the direction takes more."""
        return self._direction.room_at(now)

    def arrival(self, now: float, size: int, late: float = 0.0) -> float:
        """Return when what is sent as soon as there is room arrives: for a relay, which can wait but cannot lose."""
        due = self.deadline(self.room_at(now), size, late)
        return self.last if due is None else due


def directions(conditions: Conditions, rng: Random, *, since: float = 0.0) -> tuple[Direction, Direction]:
    """Return the ways (down, up) of a link with these conditions; a partition counts its seconds from `since`."""
    down = Serialiser(conditions.down, conditions.queue) if conditions.down else None
    up = Serialiser(conditions.up, conditions.queue) if conditions.up else None
    hazards: list[Stage] = [Loss(conditions.loss, rng)] if conditions.loss else []
    if conditions.partition and not conditions.partition_reset:
        hazards.append(Blackhole(conditions.partition, since))
    return Direction([*hazards, Delay(conditions.rtt, conditions.jitter, rng)], pipe=down), Direction(hazards, pipe=up)


def wire_size(payload: int) -> int:
    """Return the bytes on the wire that carry this many payload bytes, headers included."""
    return payload + HEADERS * math.ceil(payload / MSS)
