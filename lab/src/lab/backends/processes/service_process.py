"""One service as a local process: its lines passed on, its state, ended with all its children."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from lab.backends.control_socket import ServiceState, ServiceStatus
from lab.backends.live_change import change_live
from lab.backends.process_group import ProcessGroup, read_lines
from lab.backends.service_spec import ServiceSpec, process_environment
from lab.backends.variables import Variables
from lab.live_settings import LiveChange, differing, is_altered
from lab.wire.service import ServiceConfig

_TAIL_LINES = 15


class ServiceProcess:
    """A service that was started."""

    def __init__(self, spec: ServiceSpec, environment: Variables, group: ProcessGroup) -> None:
        self.spec = spec
        self.environment = environment
        self.live_change: LiveChange | None = None
        self.started = time.monotonic()
        self.ready = False
        self.stopping = False
        self.because = "no answer"
        self._group = group
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)

    @classmethod
    async def start(cls, spec: ServiceSpec, environment: Variables, root: Path) -> "ServiceProcess":
        return cls(spec, environment, await ProcessGroup.start(spec.argv, process_environment(environment), root))

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number if a signal ended it."""
        return self._group.exit_code

    @property
    def _state(self) -> ServiceState:
        if self.exit_code is not None:
            return "dead"
        if self.stopping:
            return "stopping"
        return "ready" if self.ready else "starting"

    def status(self) -> ServiceStatus:
        return ServiceStatus(self._state, self.because, self._group.process.pid, self.exit_code, self.environment)

    def is_altered(self, config: ServiceConfig) -> bool:
        """Whether its settings are others than its environment has: somebody changed them over HTTP."""
        return is_altered(config, self.live_change)

    async def change(self, environment: Variables) -> bool:
        """Give it this environment's settings while it runs; False if that needs a restart."""
        changes = differing(self.environment, environment)
        change = await change_live(self.spec, self.spec.config_url(self.environment), changes)
        if change is None:
            return False
        self.environment, self.live_change = environment, change
        return True

    def ending(self) -> str:
        """Return how a service ended that was not asked to, with its last lines."""
        code = self.exit_code or 0
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        last = "".join(f"\n  {line}" for line in self._tail)
        return f"{self.spec.name} {how}" + (f"; its last lines:{last}" if last else "; it printed nothing")

    async def follow(self, on_line: Callable[[str], None]) -> None:
        """Pass its lines on until it has ended; then end what is left of its children."""
        await self._group.wait(asyncio.create_task(self._pass_on(on_line)))

    async def stop(self, grace_seconds: float, hurry: asyncio.Event) -> None:
        """End it; kill it and its children after the grace, or as soon as `hurry` is set."""
        self.stopping = True
        await self._group.end(grace_seconds, hurry)

    async def _pass_on(self, on_line: Callable[[str], None]) -> None:
        async for line in read_lines(self._group.stdout):
            self._tail.append(line)
            on_line(line)
