"""What `run` needs of a backend: the services that it uses, in Docker Compose or as local processes."""

from collections.abc import Sequence
from typing import Protocol

from lab.backends.control_socket import Applied
from lab.backends.locust_run import FinishedRun, LocustCommand
from lab.backends.preflight import Check, PassedChecks, ask_checks, checks_of
from lab.backends.service_spec import Wires, port_numbers
from lab.backends.variables import RunVariables, Variables
from lab.backends.workspace import Mode, Workspace
from lab.run_document import RunDocument
from lab.store import RunNotFound, RunStore
from service_kit.exits import UnavailableError

HEADLESS = {"LOCUST_HEADLESS": "true", "LAB_PROGRESS": "true"}
"""Makes Locust run headless and print its progress, which `run` reads."""


class RunBackend(Protocol):
    """The services that a run uses: those that are up already, or ones that are started for it."""

    mode: Mode
    watched: bool
    """Whether a run looks every second if its services are still up; else at its end only."""

    async def shell_of_up(self) -> Variables:
        """Return the variables of the shell in which `up` ran."""

    async def check(self, runs: Sequence[RunVariables]) -> None:
        """Check all that these runs need; what passed is not asked about again. Raise ExitError."""

    async def apply(self, variables: RunVariables) -> Applied:
        """Check all parts, bring the services to these variables, restart only what differs, wait until ready."""

    async def ui_url(self) -> str | None:
        """Return the URL of the Locust UI, None if there is none."""

    async def locust_command(self, variables: RunVariables) -> LocustCommand:
        """Return how to start the run."""

    async def fetch(self, finished: FinishedRun) -> RunDocument:
        """Return the document of a run that was recorded, having put it into ./runs."""

    async def waiting_for(self) -> str:
        """Return what `apply` is waiting for at the moment, "" if that is not known."""

    async def is_up(self) -> bool:
        """Whether the services have not been taken down. Cheap enough for every second of a run if `watched`."""

    async def close(self) -> None:
        """End what was started for this run only."""


def load_environment(workspace: Workspace, variables: RunVariables) -> Variables:
    """Return the variables of a headless Locust beside the services, wired to where those are."""
    # By the services' variables: the load's own do not move them.
    wires = Wires(port_numbers(workspace.services, variables.services), workspace.checkout.runs)
    return {**workspace.load.environment(variables.load, wires), **HEADLESS}


async def check_runs(workspace: Workspace, runs: Sequence[RunVariables], passed: PassedChecks) -> None:
    """Check all that these runs need and that has not passed yet, before anything is touched. Raise ExitError."""
    checks: list[Check] = []
    for variables in runs:
        checks += checks_of(workspace.under_load, variables.services, workspace.checkout)
        checks.append(Check(workspace.load.name, workspace.load.argv, load_environment(workspace, variables)))
    new = passed.new(checks)
    await ask_checks(new, workspace.checkout)
    passed.add(new)


def read_document(workspace: Workspace, run_id: str) -> RunDocument:
    try:
        return RunStore(workspace.checkout.runs).read(run_id)
    except RunNotFound as error:
        raise UnavailableError(f"the run ended, but its document cannot be read: {error}") from None
