"""What several commands share: the workspace they work on, and the choice between Docker and processes."""

import re
from typing import Annotated

import typer

from lab.backends.workspace import Mode, Workspace
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
    match = re.fullmatch(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s?)?", text)
    if not text or match is None:
        raise UsageError(f"{option} {text!r}: not a duration, such as 20s, 2m or 1m30s")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return hours * 3600.0 + minutes * 60 + seconds
