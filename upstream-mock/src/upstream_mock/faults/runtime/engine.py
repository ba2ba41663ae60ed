"""The faults of one mock: the rules in force, their clock, and how often each fault was applied."""

import time
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any
from urllib.parse import parse_qsl

from service_kit.timer_queue import Wait
from upstream_mock.asgi import OPTIONS_KEY, App, Receive, Scope, Send, refuse
from upstream_mock.client import Client, RawConnection, client_of
from upstream_mock.faults.runtime.fault import Fault, ListenerFault
from upstream_mock.faults.runtime.faulted_request import FaultedRequest
from upstream_mock.faults.runtime.parse import parse_fault, parse_rules
from upstream_mock.faults.runtime.rule import ActiveRule, RuleAlarms
from upstream_mock.pausable_listener import PausableListener

FAULT_HEADER = b"x-upstream-fault"


class FaultEngine:
    """Decides for each request which fault it gets, if any, and applies it. `listener` is the data port's.

    `began` returns when the newest run began, None before the first one; `until` is the timer's.
    """

    def __init__(
        self, text: str, rate: float, seed: int, *, began: Callable[[], float | None], until: Callable[[int], Wait]
    ) -> None:
        self.listener = PausableListener()
        self.applied: dict[str, int] = {}
        self._rate = rate
        self._seed = seed
        self._began = began
        self._until = until
        self._clock = time.monotonic()
        self._random = Random(f"fault bytes {seed}")
        self._waits: set[Wait] = set()
        self._draining = False
        self._alarms = RuleAlarms(self._pause_listener)
        self._read(text)
        self._rules_at_start = self._texts()

    @property
    def changed(self) -> bool:
        """Whether other rules are in force than at the start."""
        return self._texts() != self._rules_at_start

    def replace(self, text: str) -> None:
        """Put other rules in force, counted from their beginning; ValueError, and no change, if one of them is bad."""
        self._read(text)
        self.set_alarms()

    def set_alarms(self) -> None:
        """Wait for the windows of rules that are the clock's. Needs a running loop: the first time when it serves."""
        self._alarms.set([each for each in self.rules if each.rule.timed], self._elapsed())

    def _read(self, text: str) -> None:
        rules = parse_rules(text, self._rate)
        self.rules = [
            ActiveRule(rule, partial(Random, f"fault {index} {self._seed}")) for index, rule in enumerate(rules)
        ]

    def reset(self) -> None:
        """Zero the counters; the rules stay, and count from their beginning."""
        self.applied = {}
        for each in self.rules:
            each.applied = 0
            each.restart()

    def drain(self) -> None:
        """The mock is shutting down: every request delayed by a fault goes on at once, and none is delayed any more."""
        self._draining = True
        for wait in list(self._waits):
            if not wait.done():
                wait.set_result(True)

    def close(self) -> None:
        self._alarms.clear()

    def may_apply(self, scope: Scope) -> bool:
        """Whether `serve` must look at a request; called for every one, so it is quick."""
        if self.rules or b"fault=" in scope["query_string"]:
            return True
        options = scope.get(OPTIONS_KEY)
        return options is not None and any(name == FAULT_HEADER for name, _ in options)

    async def serve(self, app: App, scope: Scope, receive: Receive, send: Send) -> bool:
        """One request, with or without a fault. False if the app was not asked for an answer."""
        client = client_of(scope)
        connection = client.connection
        try:
            fault = self._asked(scope, connection) or self._chosen(scope, connection)
        except ValueError as error:
            await refuse(send, str(error))
            return False
        if fault is None or connection is None:
            await app(scope, receive, send)
            return True
        request = FaultedRequest(scope, receive, send, app, client, connection, self._pause, self._random)
        client.unserved = True
        await fault.apply(request)
        return request.asked

    def as_json(self) -> dict[str, Any]:
        """For /-/faults: the rules as they were written, how many requests each has seen and how many it affected."""
        return {
            "rules": self._texts(),
            "in_force": [
                {"rule": each.rule.text, "rate": each.rule.rate, "seen": each.seen, "applied": each.applied}
                for each in self.rules
            ],
            "applied": dict(self.applied),
        }

    def _texts(self) -> list[str]:
        return [each.rule.text for each in self.rules]

    def _asked(self, scope: Scope, connection: RawConnection | None) -> Fault | None:
        found = _asked_for(scope)
        if found is None:
            return None
        place, text = found
        if connection is None:
            raise ValueError(f"{place}={text!r}: faults are of HTTP/1.1")
        try:
            name, fault = parse_fault(text)
        except ValueError as error:
            raise ValueError(f"{place}={text!r}: {error}") from None
        if not fault.applies_to(scope, connection.carried):
            return None
        self._count(name)
        if isinstance(fault, ListenerFault):
            fault.pause(self.listener, None)
        return fault

    def _chosen(self, scope: Scope, connection: RawConnection | None) -> Fault | None:
        """The first rule that selects it; each counts what is in its reach, so that none shifts another's numbers."""
        if connection is None:
            return None
        self._begin_run()
        elapsed, path, carried = self._elapsed(), scope["path"], connection.carried
        chosen: Fault | None = None
        for each in self.rules:
            fault = each.rule.fault
            if not fault.applies_to(scope, carried) or not each.selects(elapsed, path):
                continue
            if isinstance(fault, ListenerFault):
                self._pause_listener(each, None)
            elif chosen is None:
                chosen = fault
                self._count(each.rule.name, each)
        return chosen

    def _begin_run(self) -> None:
        began = self._began()
        if began is not None and began != self._clock:
            self._clock = began
            for each in self.rules:
                each.restart()
            self.set_alarms()

    def _elapsed(self) -> float:
        return time.monotonic() - self._clock

    def _pause_listener(self, active: ActiveRule, seconds: float | None) -> None:
        if isinstance(active.rule.fault, ListenerFault):
            active.rule.fault.pause(self.listener, seconds)
            self._count(active.rule.name, active)

    def _count(self, name: str, active: ActiveRule | None = None) -> None:
        self.applied[name] = self.applied.get(name, 0) + 1
        if active is not None:
            active.applied += 1

    async def _pause(self, client: Client, seconds: float) -> bool:
        if self._draining:
            return not client.gone
        wait = self._until(time.monotonic_ns() + round(seconds * 1e9))
        self._waits.add(wait)
        try:
            return await client.wait(wait)
        finally:
            self._waits.discard(wait)
            # It stays on the timer's heap until its time would have come, and is skipped then.
            wait.cancel()


def _asked_for(scope: Scope) -> tuple[str, str] | None:
    """Where a request asks for a fault, and for which; the query goes before the header, an empty one is none."""
    if b"fault=" in scope["query_string"]:
        for name, text in parse_qsl(scope["query_string"].decode("latin-1")):
            if name == "fault" and text.strip():
                return name, text
    for header, value in scope.get(OPTIONS_KEY, ()):
        if header == FAULT_HEADER and value.strip():
            return FAULT_HEADER.decode(), value.decode("latin-1")
    return None
