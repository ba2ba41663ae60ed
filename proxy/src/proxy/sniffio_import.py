"""Whether `import sniffio` works in this process: PROXY_SNIFFIO, an experiment of two runs.

httpcore 1.0 tries the import several times a request. `pip install httpx fastapi` has not brought the package along
since anyio 4.12, so each try searches the whole path and fails. `present` is the pinned package; `absent` must fail as
it does where the package is not installed, at the same cost, whatever else this Python has installed.
"""

import gc
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

NAME = "sniffio"
_MISSING = "sniffio_is_absent"


class _FinderWithoutSniffio(PathFinder):
    """Python's own finder of the path; for sniffio it searches as long, and finds nothing."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return super().find_spec(_MISSING if fullname == NAME else fullname, path, target)


def set_up(wanted: Literal["absent", "present"]) -> None:
    """Make the import work or fail, before anything tries it. Raises ImportError if it is wanted and not installed."""
    if wanted == "present":
        importlib.import_module(NAME)
    elif importlib.util.find_spec(NAME) is not None:
        sys.modules.pop(NAME, None)
        finders: list[Any] = sys.meta_path
        sys.meta_path[:] = [_FinderWithoutSniffio if finder is PathFinder else finder for finder in finders]


def found() -> dict[str, Any]:
    """Return what this process has: sniffio, the number of entries of the path and ours among them, gc's thresholds."""
    marked = NAME in sys.modules and sys.modules[NAME] is None
    there = not marked and importlib.util.find_spec(NAME) is not None
    ours = {str(Path(__file__).resolve().parents[1])} | _source_folders()
    return {
        "sniffio": "marked as missing" if marked else "present" if there else "absent",
        "path_entries": len(sys.path),
        "path_entries_of_ours": sum(str(Path(entry).resolve()) in ours for entry in sys.path if entry),
        "gc_threshold": list(gc.get_threshold()),
    }


def _source_folders() -> set[str]:
    """Return the folders that hold only sources of the sandbox, where this is a checkout."""
    parents = Path(__file__).resolve().parents
    if len(parents) < 4:  # in an image: /app/proxy
        return set()
    root = parents[3]
    return {str(folder) for folder in root.glob("*/src") if folder.is_dir()}
