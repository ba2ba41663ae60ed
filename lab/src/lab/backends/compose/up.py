"""`up --docker`: the Compose project in the foreground, from the first check to `docker compose down`."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.backends.checkout import Clone
from lab.backends.compose.project import Compose
from lab.backends.errors import INTERRUPTED, SurroundingsFailed
from lab.backends.foreground import ALREADY_UP
from lab.backends.ports import check_free
from lab.backends.precedence import Variables
from lab.backends.preflight import check_all, service_checks
from lab.backends.process_group import read_lines, spawn
from lab.backends.service_spec import ServiceSpec
from lab.backends.services import LOCUST_WEB_PORT, PROXY_PORT
from lab.backends.terminal import Screen
from lab.backends.ward import Ward

PUBLISHED = (PROXY_PORT, LOCUST_WEB_PORT)
"""The ports that Compose opens on this machine."""

_SHELL_FILE = "docker-shell.json"
_GRACE_SECONDS = 35
"""What docker-compose.yml gives each service to end."""
_NOT_READY_SECONDS = 5
_ERASE = "\x1b[2K"
"""Compose writes it before every line, into files too."""


def shell_of_up(clone: Clone) -> Variables:
    """Return the variables of the shell in which `up --docker` runs; none if plain Compose was used."""
    try:
        found = json.loads((clone.state / _SHELL_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in found.items()}


class ComposeForeground:
    """One `up --docker`. `shell` are the variables of the shell it was called from, `variables` the whole baseline."""

    def __init__(self, clone: Clone, services: Sequence[ServiceSpec], shell: Variables, variables: Variables) -> None:
        self._clone = clone
        self._services = services
        self._shell = shell
        self._variables = variables
        self._compose = Compose(clone.root, variables)
        self._screen = Screen(services)
        self._interrupted = asyncio.Event()
        self._hurry = asyncio.Event()
        self._ready = False
        self._signal = 0

    async def serve(self, welcome: Callable[[], str]) -> int:
        """Build, start, wait, say `welcome`, follow the logs until a signal or `down`; return the exit code."""
        with (
            self._clone.held("up", f"in Docker, pid {os.getpid()}", ALREADY_UP),
            _noted(self._clone.state_file(_SHELL_FILE), self._shell),
        ):
            await check_all(service_checks(self._services, self._variables, self._clone.runs), self._clone.root)
            if not await self._compose.containers():
                check_free(PUBLISHED, self._variables)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self._on_signal, number)
            try:
                if await self._unless_interrupted(self._start()):
                    self._ready = True
                    self._screen.say(welcome())
                    await self._unless_interrupted(self._follow_logs())
            finally:
                await self._stop()
                self._screen.say("everything is stopped")
        return INTERRUPTED if self._signal == signal.SIGINT else 0

    async def _start(self) -> None:
        self._screen.say("building and starting in Docker; the first time takes minutes")
        width = shutil.get_terminal_size().columns - 1
        await self._compose.up(build=True, on_line=lambda line: self._screen.status(line[:width]))
        self._screen.status("")

    async def _stop(self) -> None:
        """Take everything down: gently once it has been ready, soon if not, at once at a second Ctrl-C.

        A container that has only just been started does not listen to SIGTERM yet: it would use up all its grace.
        """
        patience = None if self._ready else _NOT_READY_SECONDS
        seconds = _GRACE_SECONDS if patience is None else patience
        self._screen.say(f"stopping (up to {seconds} s; Ctrl-C again: at once)")
        down = asyncio.ensure_future(self._compose.down(patience))
        hurried = asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait((down, hurried), return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not down.done():
            await self._compose.kill()
        await down
        self._screen.status("")

    async def _follow_logs(self) -> None:
        """Follow the logs until no service is left; a recreated one may end the following, not the services."""
        since = datetime.now(UTC)
        ward = Ward()
        try:
            while await self._compose.containers():
                argv = self._compose.logs_argv(since.isoformat(), self._screen.coloured)
                logs = await spawn(argv, self._compose.environment, self._clone.root, ward)
                async for line in read_lines(logs.stdout):
                    self._screen.say(line.replace(_ERASE, ""))
                since = datetime.now(UTC)
                await logs.end_stragglers(ward)
        finally:
            ward.close()

    async def _unless_interrupted(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work, or drop it at a signal; whether it was done."""
        task = asyncio.ensure_future(work)
        signalled = asyncio.ensure_future(self._interrupted.wait())
        await asyncio.wait((task, signalled), return_when=asyncio.FIRST_COMPLETED)
        signalled.cancel()
        if task.done():
            task.result()
            return True
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, SurroundingsFailed):
            await task
        return False

    def _on_signal(self, number: int) -> None:
        if self._interrupted.is_set():
            self._hurry.set()
        self._signal = self._signal or number
        self._interrupted.set()


@contextlib.contextmanager
def _noted(path: Path, variables: Variables) -> Iterator[None]:
    path.touch(mode=0o600)
    path.write_text(json.dumps(variables))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
