"""What all workers counted, summed.

A worker that died is kept in the sums of what only grows. Its gauges are gone with it: its connections were closed by
the kernel and its requests in flight were aborted, and they are counted so, else nothing would add up any more.
"""

import fcntl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from poolwatch.counters import CELLS, Cell, Histogram
from poolwatch.histogram import Distribution
from poolwatch.recorded_times import distribution
from poolwatch.worker_counters import HEADER, SUFFIX

_GAUGES = (
    Cell.IN_FLIGHT,
    Cell.WAITING,
    Cell.ACTIVE,
    Cell.CONNECTING,
    Cell.ABANDONED,
    Cell.THREADS_BUSY,
    Cell.THREADS_TOTAL,
    Cell.THREADS_WAITING,
    Cell.H2_OPEN,
    Cell.H2_BUSY,
    Cell.DESCRIPTORS,
)
_RUN_CELLS = tuple(cell for cell in Cell if cell.name.startswith("RUN_"))


@dataclass(frozen=True)
class WorkerCounts:
    """One worker's cells at one moment."""

    pid: int
    run_number: int
    run_id: str
    alive: bool
    cells: tuple[int, ...]

    def __getitem__(self, cell: int) -> int:
        return self.cells[cell]

    def distribution(self, histogram: Histogram) -> Distribution:
        """Return one of its histograms."""
        return distribution(self.cells, histogram)


@dataclass(frozen=True)
class Totals:
    """All workers together. `run` holds the figures of the newest run only."""

    workers: tuple[WorkerCounts, ...]
    cells: tuple[int, ...]
    run_id: str | None
    run: dict[Cell, int]
    codes: Sequence[str] = ()

    def __getitem__(self, cell: int) -> int:
        return self.cells[cell]

    @property
    def errors(self) -> dict[str, int]:
        """Outcomes by code."""
        return {code: self.cells[CELLS + index] for index, code in enumerate(self.codes)}

    def distribution(self, histogram: Histogram) -> Distribution:
        """Return one of the histograms."""
        return distribution(self.cells, histogram)


def read(directory: Path, codes: Sequence[str] = ()) -> Totals:
    """Read the files of all workers and sum them; `codes` are those of the errors that they count."""
    size = HEADER.size + 8 * (CELLS + len(codes))
    found = [_worker(path, size) for path in sorted(directory.glob(f"*{SUFFIX}"))]
    return total([worker for worker in found if worker is not None], codes)


def total(workers: list[WorkerCounts], codes: Sequence[str] = ()) -> Totals:
    """Sum workers, the dead ones settled. Pure."""
    settled = [worker if worker.alive else _settled(worker) for worker in workers]
    # most often there is one: the cells are some ten thousands
    rows = [worker.cells for worker in settled]
    cells = rows[0] if len(rows) == 1 else tuple(map(sum, zip(*rows, strict=True)))
    run_id = _newest_run(settled)
    of_run = [worker for worker in settled if worker.run_id == run_id]
    run = {cell: sum(worker[cell] for worker in of_run) for cell in _RUN_CELLS}
    cells = cells or (0,) * (CELLS + len(codes))
    return Totals(workers=tuple(settled), cells=cells, run_id=run_id or None, run=run, codes=codes)


def _newest_run(workers: list[WorkerCounts]) -> str:
    # a run id begins with its time, so the newest sorts last
    return max((worker.run_id for worker in workers), default="")


def _settled(dead: WorkerCounts) -> WorkerCounts:
    cells = list(dead.cells)
    cells[Cell.ABORTED] += cells[Cell.IN_FLIGHT]
    cells[Cell.RUN_ABORTED] = cells[Cell.RUN_RECEIVED] - cells[Cell.RUN_ANSWERED] - cells[Cell.RUN_FAILED]
    tried = cells[Cell.RUN_TRIES] - cells[Cell.RUN_RETRIED]
    cells[Cell.RUN_UNTRIED] = cells[Cell.RUN_RECEIVED] - tried
    cells[Cell.CLOSED] = cells[Cell.OPENED]
    for gauge in _GAUGES:
        cells[gauge] = 0
    return WorkerCounts(dead.pid, dead.run_number, dead.run_id, alive=False, cells=tuple(cells))


def _worker(path: Path, size: int) -> WorkerCounts | None:
    with path.open("rb") as file:
        content = file.read()
        alive = _is_locked(file.fileno())
    if len(content) < size:
        return None  # being made at this moment
    pid, run_number, run_id = HEADER.unpack_from(content)
    cells = tuple(memoryview(content)[HEADER.size :].cast("q"))
    return WorkerCounts(pid, run_number, run_id.rstrip(b"\0").decode("latin-1"), alive, cells)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
