"""Which services of the sandbox are up, and whether its settings are right."""

from collections.abc import Mapping
from dataclasses import dataclass

from lab.backends.compose.project import PUBLISHED, ComposeProject
from lab.backends.compose.up import shell_of_up
from lab.backends.preflight import check_distinct, check_services
from lab.backends.selection import running_mode
from lab.backends.service_spec import Port
from lab.backends.variables import Variables
from lab.backends.workspace import Mode, Workspace
from service_kit.exits import ExitError, UsageError


@dataclass(frozen=True)
class SandboxStatus:
    """How this checkout is up: `mode` is None if it is not. `missing` are services that should run and do not.

    `ports` are those of this machine that matter, each with its service: in Docker only the published ones. `held`
    are the numbers of those that running services hold; `settings` the baseline, `mistakes` what is wrong with it.
    """

    mode: Mode | None
    missing: list[str]
    ports: list[tuple[str, Port]]
    held: set[int]
    settings: Variables
    mistakes: list[str]


async def inspect(workspace: Workspace) -> SandboxStatus:
    settings, mistakes = _baseline(workspace, {})
    mode = await running_mode(workspace, settings)
    running: Mapping[str, Variables] = {}
    if mode == "processes":
        supervisor = await workspace.supervisor.status()
        settings, mistakes = _baseline(workspace, supervisor.shell)
        running = {name: one.environment for name, one in supervisor.services.items() if one.state != "dead"}
    elif mode == "docker":
        settings, mistakes = _baseline(workspace, shell_of_up(workspace.checkout))
        containers = await ComposeProject(workspace.checkout.root, settings).containers()
        running = {container.service: settings for container in containers}
    ports = [(spec.name, port) for spec in workspace.services for port in spec.ports]
    ports = [(name, port) for name, port in ports if mode != "docker" or port in PUBLISHED]
    return SandboxStatus(
        mode=mode,
        missing=[spec.name for spec in workspace.services if spec.name not in running] if mode else [],
        ports=ports,
        held={port.number(running[name]) for name, port in ports if name in running},
        settings=settings,
        mistakes=[*mistakes, *await _mistakes(workspace, settings)],
    )


def _baseline(workspace: Workspace, shell_of_up: Variables) -> tuple[Variables, list[str]]:
    """Return the baseline, or what is left of it without .env and what is wrong there."""
    try:
        return workspace.baseline(shell_of_up), []
    except UsageError as mistake:
        return {**shell_of_up, **workspace.shell}, mistake.lines


async def _mistakes(workspace: Workspace, settings: Variables) -> list[str]:
    try:
        check_distinct(workspace.services, settings)
        await check_services(workspace.services, settings, workspace.checkout)
    except ExitError as mistake:
        return str(mistake).splitlines()
    return []
