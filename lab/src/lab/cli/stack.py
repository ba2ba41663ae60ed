"""What a run runs on: services that are up already, or ones that it starts for itself."""

from typing import Protocol

from lab.environment.layers import Settings, Variables
from lab.processes.headless import Headless, Outcome
from lab.processes.supervisor import Applied
from lab.run_document import RunDocument


class Stack(Protocol):
    """The services under a run."""

    mode: str

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

    async def close(self) -> None:
        """End what was started for this run only."""
