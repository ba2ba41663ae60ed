"""When the first byte of an answer came: counts by rounded milliseconds, beside Locust's own of the whole answer."""

from loadtest.locust_stats import three_digits
from loadtest.process_counter import ProcessCounter


class FirstBytes(ProcessCounter):
    """Counts by milliseconds."""

    @property
    def times(self) -> dict[float, int]:
        return {float(ms): count for ms, count in self.counts.items()}

    def add(self, milliseconds: float) -> None:
        self.counts[str(three_digits(milliseconds))] += 1
