"""`down`: stop what is up."""

import asyncio

import typer

from lab.backends.compose.project import Compose
from lab.backends.selection import standing_mode
from lab.backends.workspace import Workspace, workspace_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(down)


def down(context: typer.Context) -> int:
    """Stop everything."""
    return asyncio.run(_down(workspace_of(context)))


async def _down(workspace: Workspace) -> int:
    mode = await standing_mode(workspace)
    if mode == "processes":
        await workspace.supervised.ask("down")
    elif mode == "docker":
        await Compose(workspace.clone.root, workspace.baseline()).down()
    print("stopped" if mode else "nothing is up")
    return 0
