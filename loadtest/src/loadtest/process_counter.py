"""Counts of one process since Locust's statistics began, beside Locust's own; a master adds what its workers report."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:  # importing Locust patches the whole process: the pure parts do without
    from locust.env import Environment


class ProcessCounter:
    """One kind of counts, by names that JSON has."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._reported: Counter[str] = Counter()

    @classmethod
    def of(cls, environment: "Environment") -> Self:
        """Return those of the process, which are an attribute of Locust's environment: the users have nothing else."""
        found = getattr(environment, cls.__name__, None)
        if not isinstance(found, cls):
            found = cls()
            setattr(environment, cls.__name__, found)
        return found

    def reset(self) -> None:
        """Locust's statistics were reset."""
        self.counts.clear()
        self._reported.clear()

    def report(self) -> dict[str, int]:
        """Return what came since the last report."""
        more = self.counts - self._reported
        self._reported = self.counts.copy()
        return dict(more)

    def take(self, report: Mapping[str, int]) -> None:
        """Add a worker's report."""
        self.counts.update(report)
