"""The requests of a window by their whole time: what those around a quantile spent where."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True)
class Requests:
    """Some requests, summed: ms by phase, and what those of a kind had to wait for the head of their answer.

    `opened` requests opened a connection, and waited `opened_wait_ms`; of `unreported` ones, which waited
    `unreported_ms`, the upstream did not say what it took, or no answer came. A float, as a part may be taken.
    """

    count: float = 0.0
    spent_ms: Mapping[str, float] = field(default_factory=dict)
    opened: float = 0.0
    opened_wait_ms: float = 0.0
    unreported: float = 0.0
    unreported_ms: float = 0.0

    def plus(self, other: "Requests", part: float = 1.0) -> "Requests":
        """Return these and a part of others; -1 takes them off."""
        names = {**self.spent_ms, **other.spent_ms}
        return Requests(
            count=self.count + part * other.count,
            spent_ms={name: self.spent_ms.get(name, 0.0) + part * other.spent_ms.get(name, 0.0) for name in names},
            opened=self.opened + part * other.opened,
            opened_wait_ms=self.opened_wait_ms + part * other.opened_wait_ms,
            unreported=self.unreported + part * other.unreported,
            unreported_ms=self.unreported_ms + part * other.unreported_ms,
        )

    def mean_ms(self, phase: str) -> float:
        return self.spent_ms.get(phase, 0.0) / self.count if self.count else 0.0

    @property
    def total_ms(self) -> float:
        return sum(self.spent_ms.values())


class RequestClasses:
    """Requests in classes of like whole time, in ascending order."""

    def __init__(self, classes: Mapping[float, Requests]) -> None:
        self._classes = dict(sorted(classes.items()))

    @classmethod
    def parse(cls, phases: Sequence[str], rows: Sequence[Sequence[float]]) -> Self:
        """Read the proxy's rows.

        Each is the class's upper bound in ms, requests, ms by phase, and the four figures of `Requests`.
        """
        classes = {}
        for below_ms, count, *figures in rows:
            spent, others = figures[: len(phases)], figures[len(phases) :]
            opened_wait_ms, opened, unreported_ms, unreported = others
            spent_ms = dict(zip(phases, spent, strict=True))
            classes[below_ms] = Requests(count, spent_ms, opened, opened_wait_ms, unreported, unreported_ms)
        return cls(classes)

    def since(self, earlier: "RequestClasses") -> "RequestClasses":
        """Return what was added since; counters only grow."""
        before = earlier._classes
        added = {bound: row.plus(before[bound], -1.0) if bound in before else row for bound, row in self}
        return RequestClasses({bound: row for bound, row in added.items() if row.count > 0})

    def __iter__(self) -> Iterator[tuple[float, Requests]]:
        return iter(self._classes.items())

    @property
    def count(self) -> float:
        return sum(row.count for row in self._classes.values())

    def between(self, low: float, high: float) -> Requests:
        """Return the requests whose rank by their whole time lies between two shares (0 to 1) of all."""
        first, last = low * self.count, high * self.count
        found, rank = Requests(), 0.0
        for row in self._classes.values():
            inside = min(last, rank + row.count) - max(first, rank)
            if inside > 0:
                found = found.plus(row, inside / row.count)
            rank += row.count
        return found
