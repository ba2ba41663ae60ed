"""The times that a row of cells holds, for readers: distributions, and the requests by their whole time."""

from collections.abc import Sequence

from poolwatch.counters import (
    BY_TOTAL_AT,
    BY_TOTAL_CLASSES,
    BY_TOTAL_COLUMNS,
    CLASS_BITS,
    HISTOGRAM_CELLS,
    HISTOGRAMS_AT,
)
from poolwatch.histogram import FIRST_BUCKET, Distribution, from_cells, upper_bound_ms


def distribution(cells: Sequence[int], histogram: int) -> Distribution:
    """Return one histogram of some cells."""
    at = HISTOGRAMS_AT + histogram * HISTOGRAM_CELLS
    return from_cells(cells[at : at + HISTOGRAM_CELLS])


def by_total(cells: Sequence[int]) -> list[list[float]]:
    """Return the classes of requests by their whole time that are not empty.

    Each is its upper bound in ms, then as BY_TOTAL_COLUMNS, times in ms and of the last two pairs first.
    """
    rows = []
    for number in range(BY_TOTAL_CLASSES):
        at = BY_TOTAL_AT + number * BY_TOTAL_COLUMNS
        if cells[at]:
            requests, *spent, fresh, fresh_wait, silent, silent_wait = cells[at : at + BY_TOTAL_COLUMNS]
            bound = upper_bound_ms(FIRST_BUCKET + ((number + 1) << CLASS_BITS) - 1)
            times = [max(ns, 0) / 1e6 for ns in (*spent, fresh_wait, silent_wait)]
            rows.append([bound, requests, *times[:-1], fresh, times[-1], silent])
    return rows
