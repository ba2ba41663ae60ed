"""Brings services to an environment, restarting only what differs, and ends them in order."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from lab.backends.checkout import Checkout
from lab.backends.control_socket import Applied, ServiceStatus
from lab.backends.preflight import check_distinct, check_free
from lab.backends.processes.service_process import ServiceProcess
from lab.backends.service_http import get, get_document, unready_reason
from lab.backends.service_spec import ServiceSpec, Wires, port_numbers
from lab.backends.terminal import Terminal
from lab.backends.variables import Variables
from lab.wire.service import ServiceConfig
from service_kit.exits import UnavailableError

GRACE_SECONDS = 35.0
"""The same as in Compose: enough to answer requests in flight, and to end and keep a run of the UI."""
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Patience:
    """How long a service may take until it is ready, and how long if it gives the same reason with 503 all the time."""

    ready_seconds: float = 60.0
    same_reason_seconds: float = 20.0


class Supervisor:
    """The services of one checkout. Use it in one event loop, and call `stop` at the end, whatever happened."""

    def __init__(
        self,
        checkout: Checkout,
        services: Sequence[ServiceSpec],
        terminal: Terminal,
        patience: Patience | None = None,
        hurry: asyncio.Event | None = None,
    ) -> None:
        self.services = services
        self._checkout = checkout
        self._terminal = terminal
        self._patience = patience or Patience()
        self._hurry = hurry or asyncio.Event()
        self._processes: dict[str, ServiceProcess] = {}
        self._followers: dict[str, asyncio.Task[None]] = {}
        self._busy = asyncio.Lock()

    async def apply(self, variables: Mapping[str, str]) -> Applied:
        """Start what does not run, change or restart what would get other variables, wait until it is ready.

        The services have been asked about these variables before, by their --check.
        """
        async with self._busy:
            self._check_ports(variables)
            applied, ready = Applied(), {spec.name: asyncio.Event() for spec in self.services}
            try:
                async with asyncio.TaskGroup() as group:
                    for spec in self.services:
                        group.create_task(self._bring(spec, variables, ready, applied))
            except* UnavailableError as failures:
                # The first one; the others were only waiting for it.
                raise failures.exceptions[0] from None
            finally:
                self._terminal.status("")
            return Applied(*(sorted(names) for names in asdict(applied).values()))

    def status(self) -> dict[str, ServiceStatus]:
        return {name: process.status() for name, process in self._processes.items()}

    async def stop(self) -> None:
        """End every service, the last one first, and whatever they have left behind."""
        for spec in reversed(self.services):
            process = self._processes.get(spec.name)
            if process is not None:
                self._terminal.status(f"stopping {spec.name} (up to {GRACE_SECONDS:.0f} s; Ctrl-C again: at once)")
                await self._end(process)
        self._terminal.status("")

    def _check_ports(self, variables: Mapping[str, str]) -> None:
        check_distinct(self.services, variables)
        running = [process for process in self._processes.values() if process.exit_code is None]
        ours = [port.number(process.environment) for process in running for port in process.spec.ports]
        check_free((port for spec in self.services for port in spec.ports), variables, ours)

    async def _bring(
        self, spec: ServiceSpec, variables: Mapping[str, str], ready: Mapping[str, asyncio.Event], applied: Applied
    ) -> None:
        for name in spec.after:
            await ready[name].wait()
        configs = {name: await _config(self._processes[name]) for name in spec.after}
        environment = spec.environment(
            variables, Wires(port_numbers(self.services, variables), self._checkout.runs, configs)
        )
        process = self._processes.get(spec.name)
        if process is None:
            applied.started.append(spec.name)
            await self._start(spec, environment)
        else:
            await self._again(process, environment, applied)
        ready[spec.name].set()

    async def _again(self, process: ServiceProcess, environment: Variables, applied: Applied) -> None:
        """Leave it as it is, change it while it runs, or restart it."""
        if process.exit_code is None:
            if process.is_altered(await _config(process)):
                applied.altered.append(process.spec.name)
            elif process.environment == environment:
                return
            elif await process.change(environment):
                applied.changed.append(process.spec.name)
                return
        await self._restart(process, environment, applied)

    async def _restart(self, process: ServiceProcess, environment: Variables, applied: Applied) -> None:
        applied.restarted.append(process.spec.name)
        await self._end(process)
        await self._start(process.spec, environment)

    async def _start(self, spec: ServiceSpec, environment: Variables) -> None:
        process = await ServiceProcess.start(spec, environment, self._checkout.root)
        self._processes[spec.name] = process
        self._followers[spec.name] = asyncio.create_task(self._follow(process))
        self._show_waiting()
        await self._wait_ready(process)
        self._show_waiting()

    async def _follow(self, process: ServiceProcess) -> None:
        await process.follow(lambda line: self._terminal.log(process.spec, line))
        if process.ready and not process.stopping:
            # The others stay up: what is left can be looked at, and the next run starts this one again.
            self._terminal.warn(f"{process.ending()}\nthe other services stay up; the next run starts it again")

    async def _wait_ready(self, process: ServiceProcess) -> None:
        url = process.spec.ready_url(process.environment)
        same_since = 0.0
        while (now := time.monotonic()) < process.started + self._patience.ready_seconds:
            if process.exit_code is not None:
                await self._followers[process.spec.name]
                raise UnavailableError(process.ending())
            with contextlib.suppress(OSError):
                status, body = await get(url)
                if status == 200:
                    process.ready = True
                    return
                because = unready_reason(body) or f"it answers {status}"
                if because != process.because or status != 503:
                    process.because, same_since = because, now
                if now - same_since > self._patience.same_reason_seconds:
                    break
            await asyncio.sleep(_POLL_SECONDS)
        seconds = time.monotonic() - process.started
        raise UnavailableError(f"{process.spec.name} is not ready after {seconds:.0f} s: {process.because} ({url})")

    def _show_waiting(self) -> None:
        waiting = [spec.name for spec in self.services if not self._is_ready(spec.name)]
        self._terminal.status(f"waiting for {', '.join(waiting)} ..." if waiting else "")

    def _is_ready(self, name: str) -> bool:
        return name in self._processes and self._processes[name].ready

    async def _end(self, process: ServiceProcess) -> None:
        await process.stop(GRACE_SECONDS, self._hurry)
        await self._followers[process.spec.name]


async def _config(process: ServiceProcess) -> ServiceConfig:
    """Return what it reports, an empty one if it does not answer."""
    model = process.spec.config
    return await get_document(process.spec.config_url(process.environment), model) or model(settings={})
