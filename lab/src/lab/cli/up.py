"""`up`: start everything, and stay in the foreground until Ctrl-C or `down`."""

import asyncio

import typer

from lab.backends.foreground import Foreground
from lab.backends.precedence import Variables
from lab.backends.selection import DockerOption, ProcessesOption, asked_mode, mode_to_start
from lab.backends.services import LOCUST_WEB_PORT, PROXY_PORT
from lab.backends.workspace import Workspace, workspace_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(up)


def up(context: typer.Context, docker: DockerOption = False, processes: ProcessesOption = False) -> int:
    """Start everything; Ctrl-C stops it.

    Waits until everything is ready, prints the addresses, then the services' logs. In Docker if an engine answers,
    else as local processes. `./sandbox down` in another terminal stops it too.
    """
    return asyncio.run(_up(workspace_of(context), asked_mode(docker, processes)))


async def _up(workspace: Workspace, asked: str | None) -> int:
    mode = await mode_to_start(workspace, "docker" if asked == "docker" else "processes" if asked else None)
    if mode == "docker":
        from lab.backends.compose.up import ComposeForeground

        return await ComposeForeground(
            workspace.clone, workspace.services, workspace.shell(), workspace.baseline()
        ).serve(lambda: welcome(workspace.baseline(), "docker"))
    variables = workspace.baseline()
    foreground = Foreground(workspace.clone, workspace.services, workspace.shell(), variables)
    return await foreground.serve(lambda _supervisor: welcome(variables, "processes"))


def welcome(variables: Variables, mode: str) -> str:
    """Return what is said when everything is ready: the addresses and what to do next."""
    locust, proxy = LOCUST_WEB_PORT.url(variables), PROXY_PORT.url(variables)
    how = "in Docker" if mode == "docker" else "as processes"
    return f"""
Pool Sandbox is ready, {how}.
  Locust UI  {locust}   open it, press START
  proxy      {proxy}   its pool: {proxy}/-/pool
Or, in another terminal:
  ./sandbox run --label ten
  ./sandbox run --label twenty PROXY_MAX_CONNECTIONS=20
  ./sandbox compare ten twenty
Ctrl-C stops everything.
"""
