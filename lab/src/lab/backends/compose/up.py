"""The Compose project, for `up`."""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from lab.backends.checkout import Checkout
from lab.backends.compose.project import PUBLISHED, ComposeProject
from lab.backends.foreground import Shutdown
from lab.backends.preflight import check_free, check_services
from lab.backends.process_group import read_lines
from lab.backends.terminal import Terminal
from lab.backends.variables import Variables
from lab.backends.workspace import Mode, Workspace

_SHELL_FILE = "docker-shell.json"
_GRACE_SECONDS = 35
"""What docker-compose.yml gives each service to end."""

_NOT_READY_SECONDS = 5
"""A container that has only just been started does not react to SIGTERM yet: it would use up all its grace."""

_END_LOGS_SECONDS = 1.0
_ERASE = "\x1b[2K"
"""Compose writes it before every line, into files too."""


class ComposeUp:
    """The backend of `up --docker`. Runs in other terminals ask Compose, and read the shell's variables from a file."""

    mode: Mode = "docker"

    def __init__(self, workspace: Workspace, terminal: Terminal) -> None:
        self._workspace = workspace
        self._terminal = terminal
        self._variables = workspace.baseline()
        self._project = ComposeProject(workspace.checkout.root, self._variables)
        self._ready = False

    @contextlib.asynccontextmanager
    async def opened(self, shutdown: Shutdown) -> AsyncIterator[None]:
        """Write the variables of this shell into a file for `run`."""
        self._hurry = shutdown.hurry
        path = self._workspace.checkout.state_file(_SHELL_FILE)
        path.touch(mode=0o600)
        path.write_text(json.dumps(self._workspace.shell))
        try:
            yield
        finally:
            path.unlink(missing_ok=True)

    async def check(self) -> None:
        """Check settings, and the published ports except those that the project itself holds."""
        await check_services(self._workspace.services, self._variables, self._workspace.checkout)
        check_free(PUBLISHED, self._variables, ours=await self._project.published_ports())

    async def start(self) -> None:
        self._terminal.print("building and starting in Docker; the first time takes minutes")
        width = shutil.get_terminal_size().columns - 1
        await self._project.up(build=True, on_line=lambda line: self._terminal.status(line[:width]))
        self._terminal.status("")
        self._ready = True

    async def follow(self) -> None:
        """Show the logs until no service is left; a recreated one may end Compose's following, not the services."""
        since = datetime.now(UTC)
        while await self._project.containers():
            logs = await self._project.follow_logs(since.isoformat(), self._terminal.coloured)
            try:
                async for line in read_lines(logs.stdout):
                    self._terminal.print(line.replace(_ERASE, ""))
            finally:
                await logs.end(_END_LOGS_SECONDS, children_too=True)
                await logs.wait()
            since = datetime.now(UTC)

    async def stop(self) -> None:
        """Take everything down, with a short grace if it was not ready yet, and at once at a second Ctrl-C."""
        patience = None if self._ready else _NOT_READY_SECONDS
        self._terminal.print(f"stopping (up to {patience or _GRACE_SECONDS} s; Ctrl-C again: at once)")
        down = asyncio.ensure_future(self._project.down(patience))
        hurried = asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait((down, hurried), return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not down.done():
            await self._project.kill()
        await down
        self._terminal.status("")


def shell_of_up(checkout: Checkout) -> Variables:
    """Return the variables of the shell in which `up --docker` runs; none if plain Compose was used."""
    try:
        found = json.loads((checkout.state / _SHELL_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in found.items()}
