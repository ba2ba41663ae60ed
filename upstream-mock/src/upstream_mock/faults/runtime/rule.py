"""Which requests a rule strikes: a pure decision."""

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase

from upstream_mock.faults.runtime.fault import Fault, ListenerFault

_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Rule:
    """A fault and whom it strikes. Times in seconds of the plan's clock; `text` is what the user wrote."""

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
        """Whether it is done to the listening socket and only time says when: it then waits for no request."""
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
    """Whether the rule strikes a request.

    `number` counts the requests in the rule's reach from 1, all paths together; `draw` is uniform in [0, 1). All that
    a rule says must hold at once: `first=100 rate=0.5` is about half of the first hundred.
    """
    return (
        in_reach(rule, elapsed, path)
        and (rule.first is None or number <= rule.first)
        and (rule.every is None or number % rule.every == 0)
        and draw < rule.rate
    )
