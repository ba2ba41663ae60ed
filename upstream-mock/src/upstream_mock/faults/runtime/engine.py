"""The faults of one mock: the rules in force, their clock, and who was struck."""

import time
from collections.abc import Callable
from functools import partial
from random import Random

from upstream_mock.asgi import App, Receive, Scope, Send
from upstream_mock.client import Client, client_of
from upstream_mock.faults.runtime.active_rule import ActiveRule
from upstream_mock.faults.runtime.fault import Fault, ListenerFault
from upstream_mock.faults.runtime.faulted_request import FaultedRequest
from upstream_mock.faults.runtime.override import asked, may_ask
from upstream_mock.faults.runtime.parse import parse_fault, parse_rules
from upstream_mock.faults.runtime.schedule import Schedule
from upstream_mock.json_response import refuse
from upstream_mock.pausable_listener import PausableListener
from upstream_mock.raw_connection import RawConnection
from upstream_mock.timers import Wait

Until = Callable[[int], Wait]


class FaultEngine:
    """Decides for each request whether it is struck, and hands it to the fault. `door` is the listening socket.

    `began` says when the newest run began, None before the first one; `until` is the timer's.
    """

    def __init__(self, text: str, rate: float, seed: int, *, began: Callable[[], float | None], until: Until) -> None:
        self.door = PausableListener()
        self.struck: dict[str, int] = {}
        self._rate = rate
        self._seed = seed
        self._began = began
        self._until = until
        self._started = self._clock = time.monotonic()
        self._random = Random(f"fault bytes {seed}")
        self._waits: set[Wait] = set()
        self._draining = False
        self._schedule = Schedule(self._shut)
        self.replace(text)
        self._started_with = self._rules()

    @property
    def changed(self) -> bool:
        """Whether other rules are in force than at the start."""
        return self._rules() != self._started_with

    def replace(self, text: str) -> None:
        """Put other rules in force, counted from their beginning; ValueError, and all stays, if one of them is bad."""
        rules = parse_rules(text, self._rate)
        self.standing = [
            ActiveRule(rule, partial(Random, f"fault {index} {self._seed}")) for index, rule in enumerate(rules)
        ]
        self.look()

    def look(self) -> None:
        """Set the alarms of the rules that wait for no request."""
        self._schedule.set([each for each in self.standing if each.rule.timed], self._elapsed())

    def reset(self) -> None:
        """Zero the counters; the rules stay, and count from their beginning."""
        self.struck = {}
        for each in self.standing:
            each.struck = 0
            each.restart()

    def hurry(self) -> None:
        """The mock is to end: whoever is held by a fault goes on at once, and nobody is held any more."""
        self._draining = True
        for wait in list(self._waits):
            if not wait.done():
                wait.set_result(True)

    def close(self) -> None:
        """No alarm rings any more."""
        self._schedule.clear()

    def may_strike(self, scope: Scope) -> bool:
        """Whether a request needs a second look; every request comes here."""
        return bool(self.standing) or may_ask(scope)

    async def serve(self, app: App, scope: Scope, receive: Receive, send: Send) -> bool:
        """One request, struck or not. False if the app was not asked for an answer."""
        caller = client_of(scope)
        wire = caller.wire
        try:
            found = self._asked(scope, wire) or self._chosen(scope, wire)
        except ValueError as error:
            await refuse(send, str(error))
            return False
        if found is None or wire is None:
            await app(scope, receive, send)
            return True
        request = FaultedRequest(scope, receive, send, app, caller, wire, self._pause, self._random)
        caller.unserved = True
        await found.strike(request)
        return request.asked

    def as_json(self) -> dict[str, object]:
        """For /-/faults: the rules as they were written, and what each has seen and struck."""
        return {
            "rules": self._rules(),
            "in_force": [
                {"rule": each.rule.text, "rate": each.rule.rate, "seen": each.seen, "struck": each.struck}
                for each in self.standing
            ],
            "struck": dict(self.struck),
        }

    def _rules(self) -> list[str]:
        return [each.rule.text for each in self.standing]

    def _asked(self, scope: Scope, wire: RawConnection | None) -> Fault | None:
        found = asked(scope)
        if found is None:
            return None
        place, text = found
        if wire is None:
            raise ValueError(f"{place}={text!r}: faults are of HTTP/1.1")
        try:
            name, fault = parse_fault(text)
        except ValueError as error:
            raise ValueError(f"{place}={text!r}: {error}") from None
        if not fault.reaches(scope, wire.carried):
            return None
        self._count(name)
        if isinstance(fault, ListenerFault):
            fault.shut(self.door, None)
        return fault

    def _chosen(self, scope: Scope, wire: RawConnection | None) -> Fault | None:
        """The first rule that strikes; each counts what is in its reach, so that none shifts another's numbers."""
        if wire is None:
            return None
        self._new_run()
        elapsed, path, carried = self._elapsed(), scope["path"], wire.carried
        chosen: Fault | None = None
        for each in self.standing:
            fault = each.rule.fault
            if not fault.reaches(scope, carried) or not each.meets(elapsed, path):
                continue
            if isinstance(fault, ListenerFault):
                self._shut(each, None)
            elif chosen is None:
                chosen = fault
                self._count(each.rule.name, each)
        return chosen

    def _new_run(self) -> None:
        began = self._began()
        if began is not None and began != self._clock:
            self._clock = began
            for each in self.standing:
                each.restart()
            self.look()

    def _elapsed(self) -> float:
        return time.monotonic() - self._clock

    def _shut(self, standing: ActiveRule, seconds: float | None) -> None:
        if isinstance(standing.rule.fault, ListenerFault):
            standing.rule.fault.shut(self.door, seconds)
            self._count(standing.rule.name, standing)

    def _count(self, name: str, standing: ActiveRule | None = None) -> None:
        self.struck[name] = self.struck.get(name, 0) + 1
        if standing is not None:
            standing.struck += 1

    async def _pause(self, caller: Client, seconds: float) -> bool:
        if self._draining:
            return not caller.gone
        wait = self._until(time.monotonic_ns() + round(seconds * 1e9))
        self._waits.add(wait)
        try:
            return await caller.wait(wait)
        finally:
            self._waits.discard(wait)
            # Whoever left stays on the timer's heap until his time would have come, and is passed over then.
            wait.cancel()
