"""What several commands share: the workspace they work on, and the choice between Docker and processes."""

from typing import Annotated

import typer

from lab.backends.workspace import Mode, Workspace
from lab.run_settings import timespan_seconds
from service_kit.exits import UsageError

DockerOption = Annotated[bool, typer.Option("--docker", help="In Docker Compose. Default if an engine answers.")]
ProcessesOption = Annotated[bool, typer.Option("--processes", help="As local processes, without Docker.")]


def workspace_of(context: typer.Context) -> Workspace:
    found = context.obj
    assert isinstance(found, Workspace)
    return found


def requested_mode(docker: bool, processes: bool) -> Mode | None:
    if docker and processes:
        raise UsageError("--docker and --processes: take one of them")
    if docker:
        return "docker"
    return "processes" if processes else None


def duration_seconds(option: str, text: str) -> float:
    """Return the seconds of a duration such as 90s, 2m or 1m30s. Raises UsageError."""
    try:
        return float(timespan_seconds(text))
    except ValueError:
        raise UsageError(f"{option} {text!r}: not a duration, such as 20s, 2m or 1m30s") from None
