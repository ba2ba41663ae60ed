"""What the users of each kind did that is no request of Locust's: arrivals that were dropped, answers left early."""

from collections.abc import Mapping

from loadtest.process_counter import ProcessCounter


class KindCounts(ProcessCounter):
    """Events by the row of the kind."""

    def add(self, row: str, event: str, times: int = 1) -> None:
        self.counts[f"{row}\t{event}"] += times


def by_row(counts: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Return each row's events."""
    rows: dict[str, dict[str, int]] = {}
    for name, times in counts.items():
        row, _, event = name.partition("\t")
        rows.setdefault(row, {})[event] = times
    return rows
