"""When the first byte of an answer came: counts by rounded milliseconds, beside Locust's own of the whole answer."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from loadtest.locust_stats import three_digits

if TYPE_CHECKING:  # importing Locust patches the whole process: the pure parts do without
    from locust.env import Environment

_ATTRIBUTE = "first_bytes"


class FirstBytes:
    """Those of one process since Locust's statistics began; a master adds what its workers report."""

    def __init__(self) -> None:
        self.times: Counter[float] = Counter()
        self._reported: Counter[float] = Counter()

    @classmethod
    def of(cls, environment: "Environment") -> "FirstBytes":
        """Return those of the process, which are an attribute of Locust's environment: the users have nothing else."""
        found = getattr(environment, _ATTRIBUTE, None)
        if not isinstance(found, FirstBytes):
            found = cls()
            setattr(environment, _ATTRIBUTE, found)
        return found

    def add(self, milliseconds: float) -> None:
        self.times[three_digits(milliseconds)] += 1

    def reset(self) -> None:
        """Locust's statistics were reset."""
        self.times.clear()
        self._reported.clear()

    def report(self) -> dict[str, int]:
        """Return what came since the last report, in words that JSON has."""
        more = self.times - self._reported
        self._reported = self.times.copy()
        return {str(ms): count for ms, count in more.items()}

    def take(self, report: Mapping[str, int]) -> None:
        """Add a worker's report."""
        self.times.update({float(ms): int(count) for ms, count in report.items()})
