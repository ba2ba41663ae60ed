"""Runs on local processes: those of `up`, asked over its socket, or ones of the run's own."""

from lab.backends.checkout import Clone
from lab.backends.errors import SurroundingsFailed
from lab.backends.locust_run import Headless, Outcome
from lab.backends.ports import check_distinct
from lab.backends.precedence import Settings, Variables
from lab.backends.preflight import Check, check_all, service_checks
from lab.backends.processes.states import waited_for
from lab.backends.processes.supervisor import Applied, Supervisor
from lab.backends.service_spec import Wires, port_numbers, process_environment
from lab.backends.terminal import Silence
from lab.backends.workspace import Workspace
from lab.run_document import RunDocument
from lab.store import RunNotFound, RunStore

HEADLESS = {"LOCUST_HEADLESS": "true", "LAB_PROGRESS": "true"}


class _Processes:
    mode = "processes"
    watched = True

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def headless(self, settings: Settings) -> Headless:
        load = self._workspace.load
        return Headless(load.argv, process_environment(self._load_environment(settings)))

    async def fetch(self, outcome: Outcome) -> RunDocument:
        return read_document(self._workspace.clone, outcome)

    async def check(self, settings: Settings) -> None:
        clone = self._workspace.clone
        check_distinct(self._workspace.services, settings.services)
        load = self._workspace.load
        checks = service_checks(self._workspace.under_load, settings.services, clone.runs)
        await check_all([*checks, Check(load.name, load.argv, self._load_environment(settings))], clone.root)

    def _load_environment(self, settings: Settings) -> Variables:
        # Wired to where the services are, and they know nothing of the load's variables.
        wires = Wires(port_numbers(self._workspace.services, settings.services), self._workspace.clone.runs)
        return {**self._workspace.load.environment(settings.load, wires), **HEADLESS}


class SupervisedStack(_Processes):
    """The services of an `up --processes` in another terminal. They are left as the run wanted them."""

    async def baseline_shell(self) -> Variables:
        """Return the variables of the shell in which `up` ran."""
        shell: Variables = (await self._workspace.supervised.ask("status"))["shell"]
        return shell

    async def apply(self, settings: Settings) -> Applied:
        """Check here, so that nothing is touched if something is wrong; then ask the supervisor."""
        await self.check(settings)
        answer = await self._workspace.supervised.ask("apply", variables=settings.services)
        return Applied(answer["started"], answer["restarted"], answer["changed"], answer["altered"])

    async def ui_url(self) -> str | None:
        """Return the URL of the Locust UI as it is up now."""
        services = (await self._workspace.supervised.ask("status"))["services"]
        found = services.get(self._workspace.load.name)
        port = self._workspace.load.ready_port
        return port.url(found["environment"]) if found and found["state"] == "ready" else None

    async def waited_for(self) -> str:
        """Return what the supervisor is waiting for."""
        return waited_for((await self._workspace.supervised.ask("status"))["services"])

    async def is_up(self) -> bool:
        """Whether the supervisor is there and not ending."""
        try:
            return not (await self._workspace.supervised.ask("status"))["ending"]
        except SurroundingsFailed:
            return False

    async def close(self) -> None:
        """Leave everything as it is."""


class OwnProcesses(_Processes):
    """Services that are started for this run and end with it. There is no Locust UI among them."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._supervisor: Supervisor | None = None

    async def baseline_shell(self) -> Variables:
        """Return nothing: there was no `up`."""
        return {}

    async def apply(self, settings: Settings) -> Applied:
        """Check, and start everything."""
        await self.check(settings)
        clone = self._workspace.clone
        self._supervisor = Supervisor(clone.root, clone.runs, self._workspace.under_load, Silence())
        return await self._supervisor.apply(settings.services, check=False)

    async def ui_url(self) -> str | None:
        """Return None: no UI is started."""
        return None

    async def waited_for(self) -> str:
        """Return what this run's own supervisor is waiting for."""
        return waited_for(self._supervisor.status()) if self._supervisor is not None else ""

    async def is_up(self) -> bool:
        """Return True: nobody else can take them down."""
        return True

    async def close(self) -> None:
        """End the services."""
        if self._supervisor is not None:
            await self._supervisor.stop()


def read_document(clone: Clone, outcome: Outcome) -> RunDocument:
    """Return a run's document out of ./runs."""
    try:
        return RunStore(clone.runs).read(outcome.run_id or "")
    except RunNotFound as error:
        raise SurroundingsFailed(f"the run ended, but its document cannot be read: {error}") from None
