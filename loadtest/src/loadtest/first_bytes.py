"""When the first byte of an answer came: counts by rounded milliseconds, beside Locust's own of the whole answer."""

from collections import Counter
from collections.abc import Mapping

from loadtest.locust_stats import three_digits

KEY = "first_bytes"
"""Where a worker's report has them, and the attribute of Locust's environment."""


class FirstBytes:
    """Those of one process since Locust's statistics began; a master adds what its workers report."""

    def __init__(self) -> None:
        self.times: Counter[float] = Counter()
        self._reported: Counter[float] = Counter()

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
