"""The files of sweeps: what each has measured, and its page."""

import contextlib
from pathlib import Path

from pydantic import ValidationError

from lab.store import write_whole
from lab.sweep.plan import SweepState


class SweepFolder:
    """The files of sweeps, `runs/sweeps`."""

    def __init__(self, runs: Path) -> None:
        self.path = runs / "sweeps"

    def unfinished(self, key: str) -> SweepState | None:
        """Return the newest sweep by that command, if it was interrupted."""
        for path in sorted(self.path.glob("*.json"), reverse=True):
            with contextlib.suppress(OSError, ValidationError):
                state = SweepState.model_validate_json(path.read_bytes())
                if state.key == key:
                    return None if state.finished else state
        return None

    def write(self, state: SweepState) -> None:
        self.write_text(f"{state.id}.json", state.model_dump_json(indent=1))

    def write_text(self, name: str, text: str) -> Path:
        """Write a file whole or not at all, and return its path."""
        return write_whole(self.path / name, text)
