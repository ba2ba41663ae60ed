"""The link model: pure, with the time and the random numbers handed in. Engines only move what it decides on.

All times are seconds of one monotonic clock, sizes are bytes on the wire, rates bits per second.
The whole round trip is spent on the way down (from the upstream): handshake and replies then cost exactly one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

MSS = 1448
"""Payload bytes of one full segment on Ethernet with TCP timestamps."""

HEADERS = 52
"""IPv4 and TCP header bytes of one segment with timestamps."""

ACK = 0
"""Size of what carries no payload and is not charged to the bandwidth."""


EPSILON = 1e-9
"""Seconds below which two times are the same."""


@dataclass(frozen=True)
class Conditions:
    """What a link emulates; None for a rate means unlimited, `queue` is how much time's worth waits before a rate.

    `loss` is the share of the packets lost each way, 0 to 1.
    """

    rtt: float = 0.0
    jitter: float = 0.0
    down: float | None = None
    up: float | None = None
    queue: float = 0.1
    loss: float = 0.0

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to emulate."""
        return not self.rtt and not self.jitter and self.down is None and self.up is None and not self.loss


class Stage(Protocol):
    """One thing that happens to a packet on its way: a delay, a queue; later a loss or a partition."""

    def through(self, at: float, size: int) -> float | None:
        """Return when a packet that reaches this stage at `at` leaves it; None if it is dropped here."""


class Serialiser:
    """A pipe of limited rate with a queue before it, shared by every connection of one direction."""

    def __init__(self, rate: float, queue: float):
        self._rate = rate
        self._queue = queue
        self._busy_until = 0.0

    def through(self, at: float, size: int) -> float | None:
        """Return when the packet's last bit is on the wire; None if the queue before it is full."""
        if self._busy_until - at > self._queue + EPSILON:
            return None
        self._busy_until = max(at, self._busy_until) + 8 * size / self._rate
        return self._busy_until

    def room_at(self, now: float) -> float:
        """Return when the queue takes the next packet: `now`, or later for those who wait rather than lose."""
        return max(now, self._busy_until - self._queue)


class Delay:
    """A fixed time of flight plus jitter, never negative: half a normal distribution, cut at three deviations."""

    def __init__(self, delay: float, jitter: float, rng: Random):
        self._delay = delay
        self._jitter = jitter
        self._rng = rng

    def through(self, at: float, size: int) -> float:  # noqa: ARG002 - a Stage is told the size
        """Return when the packet has flown."""
        if not self._jitter:
            return at + self._delay
        return at + self._delay + min(abs(self._rng.gauss(0.0, self._jitter)), 3 * self._jitter)


class Direction:
    """One way through the link, with the stages all connections share."""

    def __init__(self, stages: Sequence[Stage] = (), pipe: Serialiser | None = None):
        self._stages: tuple[Stage, ...] = (pipe, *stages) if pipe else tuple(stages)
        self._pipe = pipe

    def through(self, at: float, size: int) -> float | None:
        """Return when a packet comes out at the far end; None if a stage dropped it."""
        when = at
        for stage in self._stages:
            left = stage.through(when, size)
            if left is None:
                return None
            when = left
        return when

    def room_at(self, now: float) -> float:
        """Return when the direction takes more: what a relay waits for, since it cannot lose bytes."""
        return self._pipe.room_at(now) if self._pipe else now


class Lane:
    """One connection's way through a direction: first in, first out, whatever the jitter."""

    def __init__(self, direction: Direction):
        self._direction = direction
        self.last = 0.0

    def deadline(self, now: float, size: int) -> float | None:
        """Return when a packet sent now arrives, never before the one sent earlier; None if it is dropped."""
        arrives = self._direction.through(now, size)
        if arrives is None:
            return None
        self.last = max(self.last, arrives)
        return self.last

    def room_at(self, now: float) -> float:
        """Return when the direction takes more."""
        return self._direction.room_at(now)

    def arrival(self, now: float, size: int) -> float:
        """Return when what is sent as soon as there is room arrives: for a relay, which can wait but cannot lose."""
        due = self.deadline(self.room_at(now), size)
        return self.last if due is None else due


def directions(conditions: Conditions, rng: Random) -> tuple[Direction, Direction]:
    """Return the ways (down, up) of a link with these conditions."""
    down = Serialiser(conditions.down, conditions.queue) if conditions.down else None
    up = Serialiser(conditions.up, conditions.queue) if conditions.up else None
    return Direction([Delay(conditions.rtt, conditions.jitter, rng)], pipe=down), Direction(pipe=up)


def wire_size(payload: int) -> int:
    """Return the bytes on the wire that carry this many payload bytes, headers included."""
    return payload + HEADERS * math.ceil(payload / MSS)
