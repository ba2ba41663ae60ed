"""Which requests a rule affects: the decision, what a rule has counted, and the alarms of those with a window."""

import asyncio
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random

from upstream_mock.faults.runtime.fault import Fault, ListenerFault

_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Rule:
    """A fault and the requests it is for. Times in seconds of the run's clock; `text` is what the user wrote."""

    text: str
    name: str
    fault: Fault
    rate: float = 1.0
    start: float = 0.0
    end: float = math.inf
    path: str = "/"
    first: int | None = None
    every: int | None = None

    @property
    def timed(self) -> bool:
        """Whether it is a fault of the listening socket and only time decides: it then waits for no request."""
        chosen = self.rate < 1 or self.path != "/" or self.first is not None or self.every is not None
        return isinstance(self.fault, ListenerFault) and not chosen and (self.start > 0 or self.end < math.inf)


def in_reach(rule: Rule, elapsed: float, path: str) -> bool:
    """Whether a request at this time and to this path is one that the rule counts.

    A path with `*`, `?` or `[` is a glob over the whole path; any other is a prefix that ends where a segment does.
    """
    if not rule.start <= elapsed < rule.end:
        return False
    if rule.path == "/":
        return True
    if _GLOB.intersection(rule.path):
        return fnmatchcase(path, rule.path)
    prefix = rule.path.rstrip("/")
    return path == prefix or path.startswith(prefix + "/")


def decide(rule: Rule, number: int, elapsed: float, path: str, draw: float) -> bool:
    """Whether the rule affects a request.

    `number` counts the requests in the rule's reach from 1, all paths together; `draw` is uniform in [0, 1). All
    conditions of a rule must hold at once: `first=100 rate=0.5` is about half of the first hundred.
    """
    return (
        in_reach(rule, elapsed, path)
        and (rule.first is None or number <= rule.first)
        and (rule.every is None or number % rule.every == 0)
        and draw < rule.rate
    )


class ActiveRule:
    """A rule in force and its counts, which begin anew with `restart`: a seed affects the same requests of every run.

    Each rule has random numbers of its own: neither latencies nor other rules shift them.
    """

    def __init__(self, rule: Rule, make_random: Callable[[], Random]) -> None:
        self.rule = rule
        self.applied = 0
        self._make_random = make_random
        self.restart()

    def restart(self) -> None:
        self.seen = 0
        self._draw = self._make_random().random

    def selects(self, elapsed: float, path: str) -> bool:
        """Count a request that the fault applies to, and decide whether it is affected."""
        rule = self.rule
        if rule.timed or not in_reach(rule, elapsed, path):
            return False
        self.seen += 1
        return decide(rule, self.seen, elapsed, path, self._draw())


class RuleAlarms:
    """Calls `begin(rule, seconds)` when a rule's window opens, `seconds` being what is left of it, None for no end."""

    def __init__(self, begin: Callable[[ActiveRule, float | None], None]) -> None:
        self._begin = begin
        self._timers: list[asyncio.TimerHandle] = []

    def set(self, rules: Iterable[ActiveRule], elapsed: float) -> None:
        """Replace all alarms; a window that is open already begins now."""
        self.clear()
        loop = asyncio.get_running_loop()
        for each in rules:
            begins = max(each.rule.start, elapsed)
            if begins < each.rule.end:
                left = each.rule.end - begins
                seconds = left if left < math.inf else None
                self._timers.append(loop.call_later(begins - elapsed, self._begin, each, seconds))

    def clear(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
