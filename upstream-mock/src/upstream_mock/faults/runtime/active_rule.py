"""A rule in force, with what it has counted."""

from collections.abc import Callable
from random import Random

from upstream_mock.faults.runtime.rule import Rule, decide, in_reach


class ActiveRule:
    """A rule and its numbers. They begin anew with `restart`, so that a seed strikes the same requests of every run.

    Each rule has random numbers of its own: neither latencies nor other rules shift them.
    """

    def __init__(self, rule: Rule, make_random: Callable[[], Random]) -> None:
        self.rule = rule
        self.struck = 0
        self._make_random = make_random
        self.restart()

    def restart(self) -> None:
        """Count and draw from the beginning."""
        self.seen = 0
        self._draw = self._make_random().random

    def meets(self, elapsed: float, path: str) -> bool:
        """Count a request that the fault can be done to, and say whether it is struck."""
        rule = self.rule
        if rule.timed or not in_reach(rule, elapsed, path):
            return False
        self.seen += 1
        return decide(rule, self.seen, elapsed, path, self._draw())
