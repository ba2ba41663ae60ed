"""The HTTP API of the Locust UI: its state, and the runs that it has recorded."""

import json
import re
from pathlib import Path

from lab.backends.service_http import get, get_document
from lab.run_name import RUN_ID
from lab.store import write_whole
from lab.wire.locust import ChangedServices, LocustHealth

_BUSY_STATES = ("spawning", "running", "cleanup", "stopping")


class LocustUi:
    """A Locust UI that is up."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def is_busy(self) -> bool:
        health = await get_document(f"{self.url}/lab/health", LocustHealth)
        return health is not None and health.state in _BUSY_STATES

    async def changed_services(self) -> list[str]:
        """Return the services that were changed while they ran, for example by `PUT /-/config`."""
        changed = await get_document(f"{self.url}/lab/changed.json", ChangedServices)
        return changed.services if changed is not None else []

    async def run_document(self, run_id: str) -> bytes | None:
        """Return a run's document as it is; None if there is no answer."""
        return await self._content(f"runs/{run_id}.json")

    async def copy_new_runs(self, runs: Path) -> None:
        rows = json.loads(await self._content("runs.json") or b"[]")
        for run_id in [str(row["id"]) for row in rows]:
            if re.fullmatch(RUN_ID, run_id) and not (runs / f"{run_id}.json").exists():
                content = await self.run_document(run_id)
                if content is not None:
                    save_document(runs, run_id, content)

    async def _content(self, path: str) -> bytes | None:
        try:
            status, content = await get(f"{self.url}/lab/{path}")
        except OSError:
            return None
        return content if status == 200 else None


def save_document(runs: Path, run_id: str, content: bytes) -> None:
    """Write a run document into the folder as it is."""
    write_whole(runs / f"{run_id}.json", content.decode())
