"""The link model. Pure: the time and the random numbers are arguments. Engines only carry out what it decides.

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
"""Size of a packet without payload; it takes none of the bandwidth."""


@dataclass(frozen=True)
class Conditions:
    """What a link emulates. A rate of None is unlimited; `queue` is the most time that bytes wait before a rate limit.

    `loss` is the share of packets lost each way, `resets` the share of requests whose connection is reset, `idle_drop`
    the time without a packet after which a connection's state is forgotten, `accept_delay` the duration of a handshake
    beyond a round trip. With `idle_reset` or `partition_reset` the sender gets a RST, else packets vanish.
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
        """Whether nothing is to be emulated."""
        return not self.rtt and not self.jitter and self.down is None and self.up is None and not self.hazards

    @property
    def hazards(self) -> bool:
        """Whether there is anything but delay and bandwidth."""
        return bool(self.loss or self.resets or self.idle_drop or self.partition or self.accept_delay)

    @property
    def concerns_requests(self) -> bool:
        """Whether packets to the upstream are concerned: the round trip alone is spent on the replies."""
        return self.up is not None or bool(self.loss or self.resets or self.idle_drop or self.partition)

    def calm(self) -> "Conditions":
        """Return only the delay and the bandwidth: what the self-test measures."""
        return replace(self, loss=0.0, resets=0.0, idle_drop=None, partition=None, accept_delay=0.0)


class Direction:
    """One way through the link, with the stages that all connections share. They may be replaced at any time.

    Of the last packet: when it was on the wire (`sent`), and whether it was dropped because the queue was full.
    """

    def __init__(self, stages: Sequence[Stage] = (), pipe: Serialiser | None = None):
        self.pipe = pipe
        self.dropped: dict[str, int] = {}
        self.sent = 0.0
        self.queue_full = False
        self._stages: tuple[Stage, ...] = (pipe, *stages) if pipe else tuple(stages)

    def become(self, other: "Direction") -> None:
        """Take over the stages of another; bytes that are being sent keep the pipe busy."""
        if other.pipe and self.pipe:
            other.pipe.busy_until = self.pipe.busy_until
        self.pipe, self._stages = other.pipe, other._stages

    def through(self, at: float, size: int) -> float | None:
        """Return when a packet arrives; None if a stage dropped it."""
        when = self.sent = at
        pipe = self.pipe
        for stage in self._stages:
            left = stage.through(when, size)
            if left is None:
                self.dropped[stage.why] = self.dropped.get(stage.why, 0) + 1
                self.queue_full = stage is pipe
                return None
            when = left
            if stage is pipe:
                self.sent = when
        return when

    def room_at(self, now: float) -> float:
        """Return when the queue has room: a relay waits for it, since it cannot lose bytes."""
        return self.pipe.room_at(now) if self.pipe else now


class Lane:
    """One connection's packets in one direction: first in, first out, whatever the jitter."""

    def __init__(self, direction: Direction):
        self.direction = direction
        self.last = 0.0

    def deadline(self, now: float, size: int, late: float = 0.0) -> float | None:
        """Return when a packet sent now arrives, never before the one sent earlier; None if it is dropped.

        `late` delays this packet, and so those after it.
        """
        arrives = self.direction.through(now, size)
        if arrives is None:
            return None
        self.last = max(self.last, arrives + late)
        return self.last

    def room_at(self, now: float) -> float:
        return self.direction.room_at(now)

    def arrival(self, now: float, size: int, late: float = 0.0) -> float:
        """Return when bytes arrive that are sent as soon as there is room: for a relay, which cannot drop them."""
        due = self.deadline(self.room_at(now), size, late)
        return self.last if due is None else due


def directions(conditions: Conditions, rng: Random, *, since: float = 0.0) -> tuple[Direction, Direction]:
    """Return the directions (down, up) of a link with these conditions; a partition counts its seconds from `since`."""
    down = Serialiser(conditions.down, conditions.queue) if conditions.down else None
    up = Serialiser(conditions.up, conditions.queue) if conditions.up else None
    hazards: list[Stage] = [Loss(conditions.loss, rng)] if conditions.loss else []
    if conditions.partition and not conditions.partition_reset:
        hazards.append(Blackhole(conditions.partition, since))
    return Direction([*hazards, Delay(conditions.rtt, conditions.jitter, rng)], pipe=down), Direction(hazards, pipe=up)


def wire_size(payload: int) -> int:
    """Return the bytes on the wire that carry this many payload bytes, headers included."""
    return payload + HEADERS * math.ceil(payload / MSS)
