"""Brings services to an environment, restarting only what differs, and ends them in order."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.backends import service_http as http
from lab.backends.errors import SurroundingsFailed
from lab.backends.ports import check_distinct, check_free
from lab.backends.precedence import Variables
from lab.backends.preflight import check_all, service_checks
from lab.backends.processes.service_process import Child
from lab.backends.processes.states import obituary, reason, state
from lab.backends.service_spec import ServiceSpec, Wires, port_numbers
from lab.backends.terminal import Screen
from lab.backends.ward import Ward

GRACE_SECONDS = 35.0
"""As long as Compose gives: requests in flight are answered, a run of the UI is stopped softly and kept."""
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Patience:
    """How long a service may take until it is ready, and how long if it says 503 and the same reason all the time."""

    ready_seconds: float = 60.0
    same_reason_seconds: float = 20.0


@dataclass(frozen=True)
class Applied:
    """What `apply` did: which services it started or restarted, and which variables it changed in those restarted.

    `altered` are those of the restarted that were no longer as they were started: changed over HTTP, or leaking.
    """

    started: list[str]
    restarted: list[str]
    changed: list[str]
    altered: list[str]


class Supervisor:
    """The services of one clone. Use it in one event loop, and call `stop` at the end, whatever happened."""

    def __init__(
        self, root: Path, runs: Path, services: Sequence[ServiceSpec], screen: Screen, patience: Patience | None = None
    ) -> None:
        self.services = services
        self.hurry = asyncio.Event()
        self._root = root
        self._runs = runs
        self._screen = screen
        self._patience = patience or Patience()
        self._ward = Ward()
        self._children: dict[str, Child] = {}
        self._followers: dict[str, asyncio.Task[None]] = {}
        self._busy = asyncio.Lock()

    async def apply(self, variables: Mapping[str, str], check: bool = True) -> Applied:
        """Check these variables, start what does not run, restart what would get other ones, wait until all is ready.

        `check=False` for variables that have just been checked.
        """
        async with self._busy:
            if check:
                await check_all(service_checks(self.services, variables, self._runs), self._root)
            self._check_ports(variables)
            pass_ = _Pass(ready={spec.name: asyncio.Event() for spec in self.services})
            try:
                async with asyncio.TaskGroup() as group:
                    for spec in self.services:
                        group.create_task(self._bring(spec, variables, pass_))
            except* SurroundingsFailed as failures:
                # The first one; the others were only waiting for it.
                raise failures.exceptions[0] from None
            finally:
                self._screen.status("")
            return pass_.applied()

    def status(self) -> dict[str, dict[str, Any]]:
        """Return each service's pid, state, exit code, why it is not ready, and what it was given."""
        return {
            name: {
                "pid": child.pid,
                "state": state(child),
                "exit_code": child.exit_code,
                "because": child.because,
                "environment": child.environment,
            }
            for name, child in self._children.items()
        }

    async def stop(self) -> None:
        """End every service, the last one first, and whatever they have left behind."""
        for spec in reversed(self.services):
            child = self._children.get(spec.name)
            if child is not None:
                self._screen.status(f"stopping {spec.name} (up to {GRACE_SECONDS:.0f} s; Ctrl-C again: at once)")
                await self._end(child)
        self._screen.status("")
        self._ward.close()

    def _wires(self, variables: Mapping[str, str], configs: Mapping[str, Mapping[str, Any]] | None = None) -> Wires:
        return Wires(port_numbers(self.services, variables), self._runs, configs or {})

    def _check_ports(self, variables: Mapping[str, str]) -> None:
        check_distinct(self.services, variables)
        running = [child for child in self._children.values() if child.exit_code is None]
        ours = [port.number(child.environment) for child in running for port in child.spec.ports]
        check_free((port for spec in self.services for port in spec.ports), variables, ours)

    async def _bring(self, spec: ServiceSpec, variables: Mapping[str, str], pass_: "_Pass") -> None:
        configs = {name: await self._config(name, pass_) for name in spec.after}
        environment = spec.environment(variables, self._wires(variables, configs))
        child = self._children.get(spec.name)
        if child is None or child.exit_code is not None or child.environment != environment:
            await self._replace(spec, child, environment, pass_)
        elif await _altered(child):
            pass_.altered.append(spec.name)
            await self._replace(spec, child, environment, pass_)
        pass_.ready[spec.name].set()

    async def _config(self, name: str, pass_: "_Pass") -> dict[str, Any]:
        await pass_.ready[name].wait()
        child = self._children[name]
        return await http.get_json(child.spec.config_url(child.environment))

    async def _replace(self, spec: ServiceSpec, old: Child | None, environment: Variables, pass_: "_Pass") -> None:
        if old is not None:
            pass_.restarted.append(spec.name)
            names = {*old.environment, *environment}
            pass_.changed.extend(name for name in names if old.environment.get(name) != environment.get(name))
            await self._end(old)
        else:
            pass_.started.append(spec.name)
        child = await Child.start(spec, environment, self._root, self._ward)
        self._children[spec.name] = child
        self._followers[spec.name] = asyncio.create_task(self._follow(child))
        self._show_waiting()
        await self._wait_ready(child)
        self._show_waiting()

    async def _follow(self, child: Child) -> None:
        await child.follow(lambda line: self._screen.log(child.spec, line))
        if child.ready and not child.stopping:
            # The others stay up: what is left can be looked at, and the next run starts this one again.
            self._screen.say(f"{obituary(child)}\nthe other services stay up; the next run starts it again", loud=True)

    async def _wait_ready(self, child: Child) -> None:
        url = child.spec.ready_url(child.environment)
        same_since = 0.0
        while (now := time.monotonic()) < child.started + self._patience.ready_seconds:
            if child.exit_code is not None:
                await self._followers[child.spec.name]
                raise SurroundingsFailed(obituary(child))
            with contextlib.suppress(OSError, TimeoutError):
                status, body = await http.get(url)
                if status == 200:
                    child.ready = True
                    return
                because = reason(body) or f"it answers {status}"
                if because != child.because or status != 503:
                    child.because, same_since = because, now
                if now - same_since > self._patience.same_reason_seconds:
                    break
            await asyncio.sleep(_POLL_SECONDS)
        seconds = time.monotonic() - child.started
        raise SurroundingsFailed(f"{child.spec.name} is not ready after {seconds:.0f} s: {child.because} ({url})")

    def _show_waiting(self) -> None:
        waiting = [spec.name for spec in self.services if not self._is_ready(spec.name)]
        self._screen.status(f"waiting for {', '.join(waiting)} ..." if waiting else "")

    def _is_ready(self, name: str) -> bool:
        return name in self._children and self._children[name].ready

    async def _end(self, child: Child) -> None:
        await child.stop(GRACE_SECONDS, self.hurry)
        await self._followers[child.spec.name]


@dataclass
class _Pass:
    """One `apply` under way."""

    ready: dict[str, asyncio.Event]

    def __post_init__(self) -> None:
        self.started: list[str] = []
        self.restarted: list[str] = []
        self.changed: list[str] = []
        self.altered: list[str] = []

    def applied(self) -> Applied:
        """Return what was done."""
        return Applied(*(sorted(names) for names in (self.started, self.restarted, self.changed, self.altered)))


async def _altered(child: Child) -> bool:
    """Whether a service is no longer as it was started, by `PUT /-/config` say: its environment does not tell."""
    return bool((await http.get_json(child.spec.config_url(child.environment))).get("changed"))
