"""One service's process: its lines passed on, ended with all its children."""

import asyncio
import contextlib
import signal
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from lab.backends.precedence import Variables
from lab.backends.process_group import Spawned, read_lines, spawn
from lab.backends.service_spec import ServiceSpec, process_environment
from lab.backends.ward import Ward

TAIL_LINES = 15
_LAST_LINES_SECONDS = 1.0


class Child:
    """A running service. `environment` is what it was given of the sandbox's variables.

    `because` is why it is not ready, as far as it is known.
    """

    def __init__(self, spec: ServiceSpec, environment: Variables, spawned: Spawned, ward: Ward) -> None:
        self.spec = spec
        self.environment = environment
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.started = time.monotonic()
        self.ready = False
        self.stopping = False
        self.because = "no answer"
        self._spawned = spawned
        self._ward = ward

    @classmethod
    async def start(cls, spec: ServiceSpec, environment: Variables, root: Path, ward: Ward) -> "Child":
        """Start a service."""
        return cls(spec, environment, await spawn(spec.argv, process_environment(environment), root, ward), ward)

    @property
    def pid(self) -> int:
        """Its process id, which is its process group's too."""
        return self._spawned.process.pid

    @property
    def exit_code(self) -> int | None:
        """Return None while it runs; minus the signal's number if a signal ended it."""
        return self._spawned.process.returncode

    async def follow(self, on_line: Callable[[str], None]) -> None:
        """Pass its lines on until it has ended; then end what is left of its children."""
        lines = asyncio.create_task(self._pass_on(on_line))
        await self._spawned.end_stragglers(self._ward)
        await asyncio.wait((lines,), timeout=_LAST_LINES_SECONDS)
        lines.cancel()

    async def _pass_on(self, on_line: Callable[[str], None]) -> None:
        async for line in read_lines(self._spawned.stdout):
            self.tail.append(line)
            on_line(line)

    async def stop(self, grace_seconds: float, hurry: asyncio.Event) -> None:
        """End it: SIGTERM, SIGKILL for it and its children after the grace or when `hurry` is set."""
        self.stopping = True
        with contextlib.suppress(ProcessLookupError):
            self._spawned.process.terminate()
        ended = asyncio.create_task(self._spawned.process.wait())
        hurried = asyncio.create_task(hurry.wait())
        await asyncio.wait((ended, hurried), timeout=grace_seconds, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not ended.done():
            self._spawned.signal_group(signal.SIGKILL)
        await ended
