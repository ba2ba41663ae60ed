"""The counters of a pool: plain integers in one row, so that they can lie in a file that other processes read."""

import enum
from collections import defaultdict
from collections.abc import Iterable, MutableSequence, Sequence
from time import perf_counter_ns
from typing import Final

from poolwatch.histogram import BUCKETS, FIRST_BUCKET, bucket_of, buckets_of
from poolwatch.phases import UNKNOWN, Phase


class Cell(enum.IntEnum):
    """The index of each figure. Gauges go up and down, the rest only grows; times are in nanoseconds."""

    RECEIVED = 0
    ANSWERED = enum.auto()
    FAILED = enum.auto()
    ABORTED = enum.auto()
    RETRIED = enum.auto()  # tries after a request's first
    IN_FLIGHT = enum.auto()  # gauge
    WAITING = enum.auto()  # gauge
    ACTIVE = enum.auto()  # gauge
    CONNECTING = enum.auto()  # gauge
    OPENED = enum.auto()
    CLOSED = enum.auto()
    CLOSED_ENDED = enum.auto()  # of these, the ones that the other end had closed before
    CLOSED_IDLE = enum.auto()  # and those that had not been used for a while
    REUSED = enum.auto()
    LOOKUPS = enum.auto()  # of names, with their time; no pool reports them
    LOOKUP_NS = enum.auto()
    TIMEOUTS = enum.auto()
    HOLD_COUNT = enum.auto()
    HOLD_NS = enum.auto()
    CPU_NS = enum.auto()
    ABANDONED = enum.auto()  # gauge: slots of requests that were given up, until the library lets go of them
    THREADS_BUSY = enum.auto()  # gauge
    THREADS_TOTAL = enum.auto()  # gauge
    THREADS_WAITING = enum.auto()  # gauge
    H2_OPEN = enum.auto()  # gauge: connections that speak HTTP/2 and carry many requests
    H2_BUSY = enum.auto()  # gauge: those of them that carry one at least
    LEAKED = enum.auto()  # gauge: slots that requests which are over still hold
    LOST = enum.auto()  # gauge: slots that the client library counts as taken though no request holds them
    DESCRIPTORS = enum.auto()  # gauge
    WAITING_SAMPLED = enum.auto()  # requests without a connection, summed over samples, in thousandths; of these:
    WAITING_FREE = enum.auto()  # the part of the pool that was free meanwhile
    WAITING_OPENING = enum.auto()  # those for which an HTTP/2 connection was being opened meanwhile
    RUN_RECEIVED = enum.auto()
    RUN_ANSWERED = enum.auto()
    RUN_FAILED = enum.auto()
    RUN_ABORTED = enum.auto()
    RUN_UNTRIED = enum.auto()  # requests refused before the client was asked
    RUN_TRIES = enum.auto()
    RUN_RETRIED = enum.auto()
    RUN_SENT = enum.auto()  # tries whose head went out
    RUN_RESPONDED = enum.auto()  # those of them of whose answer something came
    RUN_ACTIVE_MAX = enum.auto()
    RUN_WAITING_MAX = enum.auto()
    RUN_DESCRIPTORS_MAX = enum.auto()  # sampled


class Histogram(enum.IntEnum):
    """What is kept by its distribution: a sum of nanoseconds and the buckets. The phases come first."""

    ADMISSION = Phase.ADMISSION
    THREAD_WAIT = Phase.THREAD_WAIT
    POOL_WAIT = Phase.POOL_WAIT
    CONNECT = Phase.CONNECT
    TLS = Phase.TLS
    SEND = Phase.SEND
    UPSTREAM_QUEUE = Phase.UPSTREAM_QUEUE
    UPSTREAM = Phase.UPSTREAM
    NETWORK = Phase.NETWORK
    BODY = Phase.BODY
    PROXY = Phase.PROXY
    OTHER = Phase.OTHER
    TOTAL = enum.auto()  # a request's whole time in the proxy
    REQUEST = enum.auto()  # the same without the wait for admission
    WAIT = enum.auto()  # for a connection, counted when it ends
    CONNECTION = enum.auto()  # how old a connection was when it was closed
    LOOP_LAG = enum.auto()  # by how much the event loop ran late


HISTOGRAMS_AT: Final = len(Cell)
HISTOGRAM_CELLS: Final = 1 + BUCKETS
BY_TOTAL_AT: Final = HISTOGRAMS_AT + HISTOGRAM_CELLS * len(Histogram)
"""The requests by their whole time, in classes of 8 buckets: what those around a quantile spent in each phase."""

CLASS_BITS: Final = 3
BY_TOTAL_CLASSES: Final = BUCKETS >> CLASS_BITS
BY_TOTAL_COLUMNS: Final = len(Phase) + 5
"""Requests, ns by phase; those that opened a connection, and their ns in NETWORK and OTHER; those whose upstream did
not say what it took, and their ns in UPSTREAM and OTHER."""

CELLS: Final = BY_TOTAL_AT + BY_TOTAL_CLASSES * BY_TOTAL_COLUMNS
"""How many there are. Whoever needs more puts them behind these: all offsets here are constant."""

_ACTIVE, _ACTIVE_MAX = int(Cell.ACTIVE), int(Cell.RUN_ACTIVE_MAX)
_HOLD_COUNT, _HOLD_NS = int(Cell.HOLD_COUNT), int(Cell.HOLD_NS)
_WAITING, _WAITING_MAX = int(Cell.WAITING), int(Cell.RUN_WAITING_MAX)
_CONNECT, _NETWORK = int(Phase.CONNECT), int(Phase.NETWORK)
_OTHER, _UPSTREAM = int(Phase.OTHER), int(Phase.UPSTREAM)
_REQUEST, _TOTAL, _WAIT = int(Histogram.REQUEST), int(Histogram.TOTAL), int(Histogram.WAIT)
_WAITS_AT_ONCE: Final = 64


class Counters:
    """The cells of one process; in its own memory unless other memory is given."""

    def __init__(self, cells: MutableSequence[int] | None = None, codes: Sequence[str] = ()) -> None:
        self.cells: MutableSequence[int] = [0] * (CELLS + len(codes)) if cells is None else cells
        self.codes = codes
        self.run_id = b""
        self.waits_ns: list[int] = []

    def begin_run(self, run_id: bytes) -> None:
        """Start the run's own figures from zero; called with the first request that carries a new run id."""
        self.run_id = run_id
        for cell in range(Cell.RUN_RECEIVED, Cell.RUN_DESCRIPTORS_MAX + 1):
            self.cells[cell] = 0
        self.cells[Cell.RUN_ACTIVE_MAX] = self.cells[Cell.ACTIVE]
        self.cells[Cell.RUN_WAITING_MAX] = self.cells[Cell.WAITING]
        self.cells[Cell.RUN_DESCRIPTORS_MAX] = self.cells[Cell.DESCRIPTORS]

    def count_error(self, code: str) -> None:
        """Count one outcome by its code, one of those given at the start; their cells are behind all others."""
        self.cells[CELLS + self.codes.index(code)] += 1

    def add(self, histogram: int, nanoseconds: int) -> None:
        """Put one duration into a histogram."""
        cells = self.cells
        at = HISTOGRAMS_AT + histogram * HISTOGRAM_CELLS
        cells[at] += nanoseconds
        cells[at + 1 - FIRST_BUCKET + bucket_of(nanoseconds)] += 1

    def flush(self) -> None:
        """Put the waits that are kept into their histogram."""
        if self.waits_ns:
            waits_ns, self.waits_ns = self.waits_ns, []
            self._add_all(_WAIT, sum(waits_ns), buckets_of(waits_ns))

    def _add_all(self, histogram: int, sum_ns: int, buckets: Iterable[int]) -> None:
        """Put durations into a histogram: their sum, and the bucket of each."""
        cells = self.cells
        at = HISTOGRAMS_AT + histogram * HISTOGRAM_CELLS
        cells[at] += sum_ns
        first = at + 1 - FIRST_BUCKET
        for bucket in buckets:
            cells[first + bucket] += 1

    def add_phases(self, finished: Sequence[tuple[Sequence[int], int]]) -> None:
        """Put finished requests, (ns by phase, ns in all) each, into the histograms of their phases, TOTAL and REQUEST.

        And into the classes by their whole time. A phase that is not known (-1) is left out.
        """
        columns = list(zip(*[spent_ns for spent_ns, _ in finished], strict=True))
        totals = [total_ns for _, total_ns in finished]
        for histogram, column in enumerate(columns):
            none = column.count(0)  # most take no time: on a kept connection, without TLS or admission
            if none:
                self.cells[HISTOGRAMS_AT + histogram * HISTOGRAM_CELLS + 1] += none
            if none < len(column) and (known := [spent_ns for spent_ns in column if spent_ns > 0]):
                self._add_all(histogram, sum(known), buckets_of(known))
        buckets = buckets_of(totals)
        self._add_all(_TOTAL, sum(totals), buckets)
        requests = [total_ns - spent_ns[0] for spent_ns, total_ns in finished] if any(columns[0]) else totals
        self._add_all(_REQUEST, sum(requests), buckets if requests is totals else buckets_of(requests))
        classes = defaultdict(list)
        for (spent_ns, _), bucket in zip(finished, buckets, strict=True):
            classes[(bucket - FIRST_BUCKET) >> CLASS_BITS].append(spent_ns)
        for number, members in classes.items():
            self._add_to_class(BY_TOTAL_AT + number * BY_TOTAL_COLUMNS, members)

    def _add_to_class(self, at: int, members: Sequence[Sequence[int]]) -> None:
        """Add requests, ns by phase each, to the class whose cells begin at `at`."""
        cells = self.cells
        cells[at] += len(members)
        columns = list(zip(*members, strict=True))
        for cell, spent in enumerate(map(sum, columns), start=at + 1):
            if spent:  # one that is not known takes a nanosecond off
                cells[cell] += spent
        at += len(Phase) + 1
        if any(columns[_CONNECT]) and (fresh := [each for each in members if each[_CONNECT] > 0]):
            cells[at] += len(fresh)
            cells[at + 1] += sum([each[_NETWORK] + each[_OTHER] for each in fresh])
        if UNKNOWN in columns[_NETWORK]:
            silent = [
                waited for each in members if each[_NETWORK] < 0 and (waited := each[_UPSTREAM] + each[_OTHER]) > 0
            ]
            cells[at + 2] += len(silent)
            cells[at + 3] += sum(silent)


class PoolSlot:
    """One request's place in the pool, counted: it waits since `asked_ns`, holds a connection since `granted_ns`.

    Both are times of `perf_counter_ns`, 0 while it does neither; `asked_ns` stays while it holds one.
    """

    __slots__ = ("_counters", "asked_ns", "granted_ns")

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self.asked_ns = self.granted_ns = 0

    @property
    def held_seconds(self) -> float:
        """How long it has held its connection; 0 without one."""
        return (perf_counter_ns() - self.granted_ns) / 1e9 if self.granted_ns else 0.0

    def ask(self, now_ns: int) -> None:
        """Begin to wait for a connection."""
        cells = self._counters.cells
        waiting = cells[_WAITING] + 1
        cells[_WAITING] = waiting
        if waiting > cells[_WAITING_MAX]:
            cells[_WAITING_MAX] = waiting
        self.asked_ns = now_ns

    def withdraw(self) -> None:
        """Wait no more; the time until now counts as no wait for a connection."""
        self._counters.cells[_WAITING] -= 1
        self.asked_ns = 0

    def grant(self, now_ns: int) -> None:
        """Hold a connection: the wait is over."""
        cells = self._counters.cells
        cells[_WAITING] -= 1
        active = cells[_ACTIVE] + 1
        cells[_ACTIVE] = active
        if active > cells[_ACTIVE_MAX]:
            cells[_ACTIVE_MAX] = active
        waits_ns = self._counters.waits_ns  # into their histogram some dozens at a time
        waits_ns.append(now_ns - self.asked_ns)
        if len(waits_ns) >= _WAITS_AT_ONCE:
            self._counters.flush()
        self.granted_ns = now_ns

    def leave(self, now_ns: int) -> None:
        """Give the connection back, or give up the wait for one."""
        cells = self._counters.cells
        if self.granted_ns:
            cells[_ACTIVE] -= 1
            cells[_HOLD_COUNT] += 1
            cells[_HOLD_NS] += now_ns - self.granted_ns
        else:
            cells[_WAITING] -= 1
            self._counters.add(_WAIT, now_ns - self.asked_ns)
        self.granted_ns = self.asked_ns = 0
