"""What a run runs on: services that are up already, or ones that it starts for itself."""

from typing import Protocol

from lab.backends.locust_run import Headless, Outcome
from lab.backends.precedence import Settings, Variables
from lab.backends.processes.supervisor import Applied
from lab.backends.selection import Mode
from lab.backends.workspace import Workspace
from lab.run_document import RunDocument


class Stack(Protocol):
    """The services under a run."""

    mode: str
    watched: bool
    """Whether a run looks every second if its services are still up; else at its end only."""

    async def baseline_shell(self) -> Variables:
        """Return the variables of the shell in which `up` ran."""

    async def apply(self, settings: Settings) -> Applied:
        """Check all parts, bring the services to these settings, restart only what differs, wait until ready."""

    async def ui_url(self) -> str | None:
        """Return the URL of the Locust UI, None if there is none."""

    async def headless(self, settings: Settings) -> Headless:
        """Return how to start the run."""

    async def fetch(self, outcome: Outcome) -> RunDocument:
        """Return the document of a run that was recorded, having put it into ./runs."""

    async def waited_for(self) -> str:
        """Return what `apply` is waiting for at the moment, "" if that is not known."""

    async def is_up(self) -> bool:
        """Whether nobody has taken the services down. Cheap enough for every second of a run if `watched`."""

    async def close(self) -> None:
        """End what was started for this run only."""


def stack_on(workspace: Workspace, mode: Mode, own: bool) -> Stack:
    """Return the services in that mode; `own` ones are started for the run and end with it."""
    if mode == "docker":
        from lab.backends.compose.backend import ComposeStack

        return ComposeStack(workspace, own)
    from lab.backends.processes.backend import OwnProcesses, SupervisedStack

    return OwnProcesses(workspace) if own else SupervisedStack(workspace)
