"""What happens to one packet on its way, one class each: a queue before a rate, a flight, a loss, a partition.

Times are seconds of one clock, sizes bytes on the wire, rates bits per second. Each further stage is a class here.
"""

import math
import re
from dataclasses import dataclass
from random import Random
from typing import Protocol

DROPS = ("queue", "loss", "partition", "idle", "reset")
"""Causes of dropped packets that are always counted, even as 0. Those of other stages appear when they drop one."""

OFF = "off"
PARTITION = re.compile(r"(\d+(?:\.\d+)?)s-(?:(\d+(?:\.\d+)?)s)?", re.ASCII)
"""How a partition is written: `5s-10s`, or `5s-` for good."""

EPSILON = 1e-9
"""Seconds below which two times are the same."""


class Stage(Protocol):
    """One thing that happens to a packet; `why` names it where dropped packets are counted."""

    why: str

    def through(self, at: float, size: int) -> float | None:
        """Return when a packet that reaches this stage at `at` leaves it; None if it is dropped here."""


class Serialiser:
    """A pipe of limited rate with a queue before it, shared by every connection of one direction."""

    why = "queue"

    def __init__(self, rate: float, queue: float):
        self.busy_until = 0.0
        self._rate = rate
        self._queue = queue

    def through(self, at: float, size: int) -> float | None:
        """Return when the packet's last bit is on the wire; None if the queue before it is full."""
        if self.busy_until - at > self._queue + EPSILON:
            return None
        self.busy_until = max(at, self.busy_until) + 8 * size / self._rate
        return self.busy_until

    def room_at(self, now: float) -> float:
        """Return when the queue takes the next packet: `now` or later."""
        return max(now, self.busy_until - self._queue)


class Delay:
    """A fixed time of flight plus jitter, never negative: half a normal distribution, cut at three deviations."""

    why = "delay"

    def __init__(self, delay: float, jitter: float, rng: Random):
        self._delay = delay
        self._jitter = jitter
        self._rng = rng

    def through(self, at: float, size: int) -> float:  # noqa: ARG002 - part of Stage
        if not self._jitter:
            return at + self._delay
        return at + self._delay + min(abs(self._rng.gauss(0.0, self._jitter)), 3 * self._jitter)


class Loss:
    """Loses every packet with the same probability, independent of those before it."""

    why = "loss"

    def __init__(self, share: float, rng: Random):
        self._share = share
        self._random = rng.random

    def through(self, at: float, size: int) -> float | None:  # noqa: ARG002 - part of Stage
        return None if self._random() < self._share else at


@dataclass(frozen=True)
class Partition:
    """From second `begin` up to second `end`, counted from when the link began or from when this was set."""

    begin: float
    end: float = math.inf

    def is_active(self, elapsed: float) -> bool:
        """Return whether nothing passes this many seconds after the count began."""
        return self.begin <= elapsed < self.end

    def __str__(self) -> str:
        return f"{self.begin:g}s-" + ("" if math.isinf(self.end) else f"{self.end:g}s")


def parse_partition(text: str) -> Partition | None:
    """Return the partition that a text describes, None for `off`. Raises ValueError with what is wrong."""
    if text == OFF:
        return None
    if not (found := PARTITION.fullmatch(text)):
        raise ValueError("not a span of seconds")
    begin, end = found.groups()
    if end is not None and float(end) <= float(begin):
        raise ValueError("ends before it has begun")
    return Partition(float(begin), math.inf if end is None else float(end))


class Blackhole:
    """Drops everything during a partition, without a RST."""

    why = "partition"

    def __init__(self, partition: Partition, since: float):
        self._partition = partition
        self._since = since

    def through(self, at: float, size: int) -> float | None:  # noqa: ARG002 - part of Stage
        return None if self._partition.is_active(at - self._since) else at
