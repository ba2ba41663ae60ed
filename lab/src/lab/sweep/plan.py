"""A sweep as it was asked for, and what is kept of it so that it can go on after an interruption."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field

from lab.document_part import DocumentPart
from lab.objective import Objective
from lab.sweep.axes import Axis, Cell
from lab.sweep.cell_run import CellRun


@dataclass(frozen=True)
class Plan:
    """`fixed` are settings of all runs. With an objective and one range the smallest value is searched for."""

    axes: Sequence[Axis]
    fixed: Mapping[str, str]
    repeat: int
    seed: int
    objective: Objective | None

    @property
    def is_search(self) -> bool:
        return self.objective is not None and len(self.axes) == 1 and self.axes[0].is_range

    def key(self, baseline: Mapping[str, str]) -> str:
        """Return what is the same for the same command over the same baseline."""
        axes = [(axis.variable, axis.values, axis.low, axis.high) for axis in self.axes]
        objective = self.objective.text if self.objective else ""
        whole = [axes, sorted(self.fixed.items()), self.repeat, self.seed, objective, sorted(baseline.items())]
        return hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:16]

    def assignments(self, cell: Cell) -> dict[str, str]:
        """Return what a run of a cell sets: users start at once, however many there are."""
        found = {**self.fixed, **dict(cell)}
        if "LOCUST_USERS" in found and "LOCUST_SPAWN_RATE" not in found:
            found["LOCUST_SPAWN_RATE"] = found["LOCUST_USERS"]
        return found


class SweepState(DocumentPart):
    """What was measured so far. `id` names the sweep's files, `key` the command."""

    id: str
    key: str
    finished: bool = False
    runs: list[CellRun] = Field(default_factory=list)
