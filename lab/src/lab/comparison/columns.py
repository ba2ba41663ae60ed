"""The runs of a comparison in columns: repeats of equal settings share one. Pure."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.comparison.settings_differences import settings_of, versions_of
from lab.conclusion import Bottleneck
from lab.run_document import RunDocument
from lab.run_name import run_name


@dataclass(frozen=True)
class Column:
    """Runs of equal settings, one at least."""

    runs: Sequence[RunDocument]

    @property
    def name(self) -> str:
        first = self.runs[0]
        name = run_name(first.label, first.started_at, first.id)
        return name if len(self.runs) == 1 else f"{name} ({len(self.runs)} runs)"

    @property
    def ids(self) -> list[str]:
        return [run.id for run in self.runs]

    @property
    def bottleneck(self) -> Bottleneck:
        """What limited most of the runs."""
        return Counter(run.verdict.bottleneck for run in self.runs).most_common(1)[0][0]


def columns_of(runs: Sequence[RunDocument]) -> list[Column]:
    """Group runs of equal settings and versions; where all are equal by label, or by group, else not at all."""
    for key in (_settings, _label, _group):
        columns = _grouped(runs, key)
        if len(columns) > 1:
            return columns
    return [Column([run]) for run in runs]


def _settings(run: RunDocument) -> str:
    return json.dumps([settings_of(run), versions_of(run)], sort_keys=True)


def _label(run: RunDocument) -> str:
    return run.label


def _group(run: RunDocument) -> str:
    return run.group or run.id


def _grouped(runs: Sequence[RunDocument], key: Callable[[RunDocument], str]) -> list[Column]:
    groups: dict[str, list[RunDocument]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return [Column(group) for group in groups.values()]
