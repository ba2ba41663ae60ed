"""Runs on local processes: on those of an `up`, or on ones of their own."""

from collections.abc import Mapping, Sequence

from lab.backends.control_socket import Applied, ServiceStatus
from lab.backends.locust_run import FinishedRun, LocustCommand
from lab.backends.preflight import PassedChecks, check_distinct
from lab.backends.processes.supervisor import Supervisor
from lab.backends.run_backend import check_runs, load_environment, read_document
from lab.backends.service_spec import process_environment
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
        self._passed = PassedChecks()

    async def check(self, runs: Sequence[RunVariables]) -> None:
        for variables in runs:
            check_distinct(self._workspace.services, variables.services)
        await check_runs(self._workspace, runs, self._passed)

    async def locust_command(self, variables: RunVariables) -> LocustCommand:
        return LocustCommand(
            self._workspace.load.argv, process_environment(load_environment(self._workspace, variables))
        )

    async def fetch(self, finished: FinishedRun) -> RunDocument:
        return read_document(self._workspace, finished.run_id)


class SupervisedRun(_ProcessesRun):
    """Runs on the services of an `up --processes` in another terminal, and leaves them as the run had them."""

    async def shell_of_up(self) -> Variables:
        return (await self._workspace.supervisor.status()).shell

    async def apply(self, variables: RunVariables) -> Applied:
        """Check here, so that nothing is touched if something is wrong; then ask the supervisor."""
        await self.check([variables])
        return await self._workspace.supervisor.apply(variables.services)

    async def ui_url(self) -> str | None:
        found = (await self._workspace.supervisor.status()).services.get(self._workspace.load.name)
        return self._workspace.load.ready_port.url(found.environment) if found and found.state == "ready" else None

    async def waiting_for(self) -> str:
        return waiting_for((await self._workspace.supervisor.status()).services)

    async def is_up(self) -> bool:
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
        self._supervisor = Supervisor(workspace.checkout, workspace.under_load, SilentTerminal())

    async def shell_of_up(self) -> Variables:
        return {}

    async def apply(self, variables: RunVariables) -> Applied:
        await self.check([variables])
        return await self._supervisor.apply(variables.services)

    async def ui_url(self) -> str | None:
        return None

    async def waiting_for(self) -> str:
        return waiting_for(self._supervisor.status())

    async def is_up(self) -> bool:
        return True

    async def close(self) -> None:
        await self._supervisor.stop()


def waiting_for(services: Mapping[str, ServiceStatus]) -> str:
    """Return which services are not ready and why, "" if all are."""
    reasons = [
        f"{name} ({one.because})" if one.state == "starting" else f"{name} to end"
        for name, one in services.items()
        if one.state in ("starting", "stopping")
    ]
    return f"waiting for {', '.join(reasons)}" if reasons else ""
