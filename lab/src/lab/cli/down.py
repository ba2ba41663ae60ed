"""`down`: stop what is up."""

import asyncio

import typer

from lab.backends.compose.project import ComposeProject
from lab.backends.selection import running_mode
from lab.backends.workspace import Workspace
from lab.cli.options import workspace_of


def down(context: typer.Context) -> int:
    """Stop everything."""
    return asyncio.run(_down(workspace_of(context)))


async def _down(workspace: Workspace) -> int:
    mode = await running_mode(workspace)
    if mode == "processes":
        await workspace.supervisor.down()
    elif mode == "docker":
        await ComposeProject(workspace.checkout.root, workspace.baseline()).down()
    print("stopped" if mode else "nothing is up")
    return 0
