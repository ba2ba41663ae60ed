"""Runs that lie in the volume of the Compose project are copied into ./runs."""

import asyncio
import json
import re
import urllib.request
from pathlib import Path

from lab.backends.compose.project import Compose
from lab.backends.service_spec import LOOPBACK
from lab.backends.workspace import Workspace

UI_PORT = 8089
_SAFE_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,63}")


def local_url(address: str) -> str:
    """Return the URL of a published address such as 0.0.0.0:8089."""
    return f"http://{address.replace('0.0.0.0', LOOPBACK)}"


def download(url: str) -> bytes | None:
    """Return what is at a URL, None if there is no answer."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            content: bytes = answer.read()
            return content
    except OSError:
        return None


def keep(runs: Path, run_id: str, content: bytes) -> None:
    """Write a run document into ./runs, whole or not at all."""
    runs.mkdir(exist_ok=True)
    part = runs / f"{run_id}.part"
    part.write_bytes(content)
    part.replace(runs / f"{run_id}.json")


async def fetch_new_runs(workspace: Workspace) -> None:
    """Copy the runs that the Locust UI in Docker has and ./runs has not. Nothing to do for processes."""
    if await workspace.supervised.is_up():
        return
    compose = Compose(workspace.clone.root, workspace.baseline())
    address = await compose.published(workspace.load.name, UI_PORT) if compose.is_possible() else None
    if address:
        await asyncio.to_thread(_copy_new, local_url(address), workspace.clone.runs)


def _copy_new(url: str, runs: Path) -> None:
    found = json.loads(download(f"{url}/lab/runs.json") or "[]")
    rows = found.get("runs", []) if isinstance(found, dict) else found
    for run_id in [str(row["id"]) for row in rows]:
        if _SAFE_ID.fullmatch(run_id) and not (runs / f"{run_id}.json").exists():
            content = download(f"{url}/lab/runs/{run_id}.json")
            if content is not None:
                keep(runs, run_id, content)
