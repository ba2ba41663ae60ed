"""What of the sandbox is up, service by service."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.backends.compose.project import Compose
from lab.backends.compose.up import PUBLISHED, shell_of_up
from lab.backends.errors import SandboxError, UsageMistake
from lab.backends.ports import check_distinct
from lab.backends.precedence import Variables
from lab.backends.preflight import check_all, service_checks
from lab.backends.selection import Mode, standing_mode
from lab.backends.service_spec import Port
from lab.backends.workspace import Workspace


@dataclass(frozen=True)
class Standing:
    """How this clone is up: `mode` is None if it is not. `missing` are services that should run and do not.

    `held` are the ports that its running services hold; `settings` the baseline, `mistakes` what is wrong with it.
    """

    mode: Mode | None = None
    missing: list[str] = field(default_factory=list)
    held: set[int] = field(default_factory=set)
    settings: Variables = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)

    def concerned(self, ports: list[tuple[str, Port]]) -> list[tuple[str, Port]]:
        """Return the ports of this machine that matter: in Docker only the published ones."""
        return [(name, port) for name, port in ports if self.mode != "docker" or port in PUBLISHED]


async def look(workspace: Workspace) -> Standing:
    """Return what is up, and whether the baseline is right."""
    settings, mistakes = _baseline(workspace, {})
    mode = await standing_mode(workspace, settings)
    running: Mapping[str, Variables] = {}
    if mode == "processes":
        status = await workspace.supervised.ask("status")
        settings, mistakes = _baseline(workspace, status["shell"])
        alive = {name: one for name, one in status["services"].items() if one["state"] != "dead"}
        running = {name: one["environment"] for name, one in alive.items()}
    elif mode == "docker":
        settings, mistakes = _baseline(workspace, shell_of_up(workspace.clone))
        containers = await Compose(workspace.clone.root, settings).containers()
        running = {container.service: settings for container in containers}
    ports = [(spec.name, port) for spec in workspace.services for port in spec.ports]
    standing = Standing(
        mode=mode,
        missing=[spec.name for spec in workspace.services if spec.name not in running] if mode else [],
        settings=settings,
        mistakes=[*mistakes, *await _mistakes(workspace, settings)],
    )
    held = {port.number(running[name]) for name, port in standing.concerned(ports) if name in running}
    standing.held.update(held)
    return standing


def _baseline(workspace: Workspace, shell_of_up: Variables) -> tuple[Variables, list[str]]:
    """Return the baseline, or what is left of it without .env and what is wrong there."""
    try:
        return workspace.baseline(shell_of_up), []
    except UsageMistake as mistake:
        return {**shell_of_up, **workspace.shell()}, str(mistake).splitlines()


async def _mistakes(workspace: Workspace, settings: Variables) -> list[str]:
    try:
        check_distinct(workspace.services, settings)
        await check_all(service_checks(workspace.services, settings, workspace.clone.runs), workspace.clone.root)
    except SandboxError as mistake:
        return str(mistake).splitlines()
    return []
