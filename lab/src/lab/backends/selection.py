"""Docker or processes: which of them is up, which to start, and the backend for it."""

from lab.backends.compose.project import ComposeProject
from lab.backends.compose.run import ComposeRun
from lab.backends.compose.up import ComposeUp
from lab.backends.foreground import UpBackend
from lab.backends.processes.run import OwnRun, SupervisedRun
from lab.backends.processes.up import ProcessesUp
from lab.backends.run_backend import RunBackend
from lab.backends.terminal import Terminal
from lab.backends.variables import Variables
from lab.backends.workspace import Mode, Workspace
from service_kit.exits import UnavailableError


async def running_mode(workspace: Workspace, variables: Variables | None = None) -> Mode | None:
    """Return how this checkout is up now, None if it is not. Compose gets `variables`, or else the baseline."""
    if await workspace.supervisor.is_up():
        return "processes"
    project = ComposeProject(workspace.checkout.root, workspace.baseline() if variables is None else variables)
    return "docker" if project.is_possible() and await project.containers() else None


async def mode_to_start(workspace: Workspace, requested: Mode | None) -> Mode:
    """Return what to start: what is asked for, else Docker if an engine answers."""
    if requested == "processes":
        return requested
    missing = await ComposeProject(workspace.checkout.root, workspace.baseline()).why_not()
    if requested == "docker" and missing:
        raise UnavailableError(f"{missing}; ./sandbox up --processes needs no Docker")
    return "processes" if missing else "docker"


def up_backend(workspace: Workspace, mode: Mode, terminal: Terminal) -> UpBackend:
    return ComposeUp(workspace, terminal) if mode == "docker" else ProcessesUp(workspace, terminal)


def run_backend(workspace: Workspace, mode: Mode, own: bool) -> RunBackend:
    """Return the services that a run uses in that mode; `own` ones are started for it and end with it."""
    if mode == "docker":
        return ComposeRun(workspace, own)
    return OwnRun(workspace) if own else SupervisedRun(workspace)
