"""The HTTP API of the Locust UI: its state, and the runs that it has recorded."""

import json
import re
from pathlib import Path

from lab.backends.service_http import get, get_object

_BUSY_STATES = ("spawning", "running", "cleanup", "stopping")
_SAFE_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,63}")


class LocustUi:
    """A Locust UI that is up."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def is_busy(self) -> bool:
        return (await get_object(f"{self.url}/lab/health")).get("state") in _BUSY_STATES

    async def changed_services(self) -> list[str]:
        """Return the services that were changed while they ran, for example by `PUT /-/config`."""
        names = (await get_object(f"{self.url}/lab/changed.json")).get("services")
        return [str(name) for name in names] if isinstance(names, list) else []

    async def run_document(self, run_id: str) -> bytes | None:
        """Return a run's document as it is; None if there is no answer."""
        return await self._content(f"runs/{run_id}.json")

    async def copy_new_runs(self, runs: Path) -> None:
        rows = json.loads(await self._content("runs.json") or b"[]")
        for run_id in [str(row["id"]) for row in rows]:
            if _SAFE_ID.fullmatch(run_id) and not (runs / f"{run_id}.json").exists():
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
    """Write a run document into the folder, whole or not at all."""
    runs.mkdir(exist_ok=True)
    part = runs / f"{run_id}.part"
    part.write_bytes(content)
    part.replace(runs / f"{run_id}.json")
