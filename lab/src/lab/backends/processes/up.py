"""All services as local processes, for `up`."""

import contextlib
import os
from collections.abc import AsyncIterator

from lab.backends.compose.project import ComposeProject
from lab.backends.control_socket import Applied, SupervisorStatus, serving
from lab.backends.foreground import Shutdown
from lab.backends.preflight import check_distinct, check_free, check_services
from lab.backends.processes.supervisor import Supervisor
from lab.backends.terminal import Terminal
from lab.backends.variables import Variables
from lab.backends.workspace import Mode, Workspace
from service_kit.exits import UnavailableError


class ProcessesUp:
    """The backend of `up --processes`. Runs in other terminals reach it over the control socket."""

    mode: Mode = "processes"

    def __init__(self, workspace: Workspace, terminal: Terminal) -> None:
        self._workspace = workspace
        self._terminal = terminal
        self._variables = workspace.baseline()

    @contextlib.asynccontextmanager
    async def opened(self, shutdown: Shutdown) -> AsyncIterator[None]:
        """Listen on the control socket."""
        checkout, services = self._workspace.checkout, self._workspace.services
        self._shutdown = shutdown
        self._supervisor = Supervisor(checkout, services, self._terminal, hurry=shutdown.hurry)
        with checkout.socket_path() as path:
            async with serving(path, self):
                yield

    async def check(self) -> None:
        """Check settings and ports; a port of this checkout's own Compose project is named as such."""
        checkout, services = self._workspace.checkout, self._workspace.services
        await check_services(services, self._variables, checkout)
        check_distinct(services, self._variables)
        ports = [port for spec in services for port in spec.ports]
        try:
            check_free(ports, self._variables)
        except UnavailableError:
            project = ComposeProject(checkout.root, self._variables)
            check_free(ports, self._variables, in_compose=await project.published_ports())

    async def start(self) -> None:
        await self._supervisor.apply(self._variables)

    async def follow(self) -> None:
        """Go on until the end: the supervisor shows the output by itself."""
        await self._shutdown.asked.wait()

    async def stop(self) -> None:
        await self._supervisor.stop()

    def status(self) -> SupervisorStatus:
        shell, ending = self._workspace.shell, self._shutdown.asked.is_set()
        return SupervisorStatus(os.getpid(), shell, ending, self._supervisor.status())

    async def apply(self, variables: Variables) -> Applied:
        return await self._supervisor.apply(variables)

    async def down(self) -> None:
        self._shutdown.asked.set()
        await self._shutdown.done.wait()
