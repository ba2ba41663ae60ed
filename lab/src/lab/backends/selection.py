"""Docker or processes: what is up, and what to take if nothing is."""

from typing import Annotated, Literal

import typer

from lab.backends.compose.project import Compose
from lab.backends.errors import SurroundingsFailed, UsageMistake
from lab.backends.precedence import Variables
from lab.backends.workspace import Workspace

Mode = Literal["docker", "processes"]

DockerOption = Annotated[bool, typer.Option("--docker", help="In Docker Compose. Default if an engine answers.")]
ProcessesOption = Annotated[bool, typer.Option("--processes", help="As local processes, without Docker.")]


def asked_mode(docker: bool, processes: bool) -> Mode | None:
    """Return what the options say."""
    if docker and processes:
        raise UsageMistake("--docker and --processes: take one of them")
    if docker:
        return "docker"
    return "processes" if processes else None


async def standing_mode(workspace: Workspace, variables: Variables | None = None) -> Mode | None:
    """Return how this clone is up now, None if it is not. Compose gets `variables`, the baseline if there are none."""
    if await workspace.supervised.is_up():
        return "processes"
    compose = Compose(workspace.clone.root, workspace.baseline() if variables is None else variables)
    if compose.is_possible() and await compose.containers():
        return "docker"
    return None


async def mode_to_start(workspace: Workspace, asked: Mode | None) -> Mode:
    """Return what to start: what is asked for, else Docker if an engine answers."""
    if asked == "processes":
        return asked
    compose = Compose(workspace.clone.root, workspace.baseline())
    missing = await compose.why_not()
    if asked == "docker" and missing:
        raise SurroundingsFailed(f"{missing}; ./sandbox up --processes needs no Docker")
    return "processes" if missing else "docker"
