"""`up`: start everything, and stay in the foreground until Ctrl-C or `down`."""

import asyncio

import typer

from lab.backends.foreground import run_in_foreground
from lab.backends.selection import mode_to_start, up_backend
from lab.backends.services import LOCUST_WEB_PORT, PROXY_PORT
from lab.backends.terminal import Terminal
from lab.backends.variables import Variables
from lab.backends.workspace import MODE_WORDS, Mode, Workspace
from lab.cli.options import DockerOption, ProcessesOption, requested_mode, workspace_of


def up(context: typer.Context, docker: DockerOption = False, processes: ProcessesOption = False) -> int:
    """Start everything; Ctrl-C stops it.

    Waits until everything is ready, prints the addresses, then the services' logs. In Docker if an engine answers,
    else as local processes. `./sandbox down` in another terminal stops it too.
    """
    return asyncio.run(_up(workspace_of(context), requested_mode(docker, processes)))


async def _up(workspace: Workspace, requested: Mode | None) -> int:
    mode = await mode_to_start(workspace, requested)
    terminal = Terminal(workspace.services)
    backend = up_backend(workspace, mode, terminal)
    return await run_in_foreground(workspace.checkout, backend, terminal, welcome(workspace.baseline(), mode))


def welcome(variables: Variables, mode: Mode) -> str:
    locust, proxy = LOCUST_WEB_PORT.url(variables), PROXY_PORT.url(variables)
    return f"""
Pool Sandbox is ready, {MODE_WORDS[mode]}.
  Locust UI  {locust}   open it, press START
  proxy      {proxy}   its pool: {proxy}/-/pool
Or, in another terminal:
  ./sandbox run --label ten
  ./sandbox run --label twenty PROXY_MAX_CONNECTIONS=20
  ./sandbox compare ten twenty
Ctrl-C stops everything.
"""
