"""Alarms for the rules that wait for no request."""

import asyncio
import math
from collections.abc import Callable, Iterable

from upstream_mock.faults.runtime.active_rule import ActiveRule

Strike = Callable[[ActiveRule, float | None], None]


class Schedule:
    """Calls `strike(rule, seconds)` when a rule's window begins, `seconds` being what is left of it, None for no end.

    Nothing is set while no loop runs: rules are read before the mock serves, and looked at again when it does.
    """

    def __init__(self, strike: Strike) -> None:
        self._strike = strike
        self._alarms: list[asyncio.TimerHandle] = []

    def set(self, rules: Iterable[ActiveRule], elapsed: float) -> None:
        """Forget what was set, and set these; a window that is open already begins now."""
        for alarm in self._alarms:
            alarm.cancel()
        self._alarms.clear()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        for each in rules:
            begins = max(each.rule.start, elapsed)
            if begins < each.rule.end:
                left = each.rule.end - begins
                seconds = left if left < math.inf else None
                self._alarms.append(loop.call_later(begins - elapsed, self._strike, each, seconds))

    def clear(self) -> None:
        """Forget what was set."""
        self.set((), 0.0)
