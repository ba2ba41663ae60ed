"""Runs on local processes: on those of an `up`, or on ones of their own."""

from collections.abc import Mapping

from lab.backends.control_socket import Applied, ServiceStatus
from lab.backends.locust_run import FinishedRun, LocustCommand
from lab.backends.preflight import Check, check_all, check_distinct, service_checks
from lab.backends.processes.supervisor import Supervisor
from lab.backends.run_backend import HEADLESS, read_document
from lab.backends.service_spec import Wires, port_numbers, process_environment
from lab.backends.terminal import SilentTerminal
from lab.backends.variables import RunVariables, Variables
from lab.backends.workspace import Mode, Workspace
from lab.run_document import RunDocument
from service_kit.exits import UnavailableError


class _ProcessesRun:
    """What the two kinds of runs have in common."""

    mode: Mode = "processes"
    watched = True

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def locust_command(self, variables: RunVariables) -> LocustCommand:
        """Return how to start the run."""
        return LocustCommand(self._workspace.load.argv, process_environment(self._load_environment(variables)))

    async def fetch(self, finished: FinishedRun) -> RunDocument:
        """Return the run's document."""
        return read_document(self._workspace, finished.run_id)

    async def _check(self, variables: RunVariables) -> None:
        checkout, load = self._workspace.checkout, self._workspace.load
        check_distinct(self._workspace.services, variables.services)
        checks = service_checks(self._workspace.under_load, variables.services, checkout.runs)
        await check_all([*checks, Check(load.name, load.argv, self._load_environment(variables))], checkout.root)

    def _load_environment(self, variables: RunVariables) -> Variables:
        # Wired by the services' variables: they are where the load's own variables do not move them.
        wires = Wires(port_numbers(self._workspace.services, variables.services), self._workspace.checkout.runs)
        return {**self._workspace.load.environment(variables.load, wires), **HEADLESS}


class SupervisedRun(_ProcessesRun):
    """Runs on the services of an `up --processes` in another terminal, and leaves them as the run had them."""

    async def shell_of_up(self) -> Variables:
        """Return the variables of the shell in which `up` ran."""
        return (await self._workspace.supervisor.status()).shell

    async def apply(self, variables: RunVariables) -> Applied:
        """Check here, so that nothing is touched if something is wrong; then ask the supervisor."""
        await self._check(variables)
        return await self._workspace.supervisor.apply(variables.services)

    async def ui_url(self) -> str | None:
        """Return the URL of the Locust UI as it is up now."""
        found = (await self._workspace.supervisor.status()).services.get(self._workspace.load.name)
        return self._workspace.load.ready_port.url(found.environment) if found and found.state == "ready" else None

    async def waiting_for(self) -> str:
        """Return what the supervisor is waiting for."""
        return waiting_for((await self._workspace.supervisor.status()).services)

    async def is_up(self) -> bool:
        """Whether the supervisor is there and not ending."""
        try:
            return not (await self._workspace.supervisor.status()).ending
        except UnavailableError:
            return False

    async def close(self) -> None:
        """Leave everything as it is."""


class OwnRun(_ProcessesRun):
    """Runs on services that are started for it and end with it. There is no Locust UI among them."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        checkout = workspace.checkout
        self._supervisor = Supervisor(checkout.root, checkout.runs, workspace.under_load, SilentTerminal())

    async def shell_of_up(self) -> Variables:
        """Return nothing: there was no `up`."""
        return {}

    async def apply(self, variables: RunVariables) -> Applied:
        """Check, and start everything."""
        await self._check(variables)
        return await self._supervisor.apply(variables.services, check=False)

    async def ui_url(self) -> str | None:
        """Return None: no UI is started."""
        return None

    async def waiting_for(self) -> str:
        """Return what this run's own supervisor is waiting for."""
        return waiting_for(self._supervisor.status())

    async def is_up(self) -> bool:
        """Return True: no other command can take them down."""
        return True

    async def close(self) -> None:
        """End the services."""
        await self._supervisor.stop()


def waiting_for(services: Mapping[str, ServiceStatus]) -> str:
    """Return which services are waited for and why, "" if none is."""
    reasons = [
        f"{name} ({one.because})" if one.state == "starting" else f"{name} to end"
        for name, one in services.items()
        if one.state in ("starting", "stopping")
    ]
    return f"waiting for {', '.join(reasons)}" if reasons else ""
