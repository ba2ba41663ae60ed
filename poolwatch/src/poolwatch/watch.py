"""A client under observation: what its pool does now and has done, and which requests hold its connections."""

import logging
import threading
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

from poolwatch import attachment
from poolwatch.counters import Cell, Counters, Histogram
from poolwatch.leaks import newly_leaked
from poolwatch.monitor import Monitor
from poolwatch.network import Connections, Report, at_once
from poolwatch.recorded_times import distribution
from poolwatch.report import gauges, line
from poolwatch.trace import RequestTrace, current

Label = Callable[[Any], str]

_HOLDERS_SHOWN: Final = 10
_RECEIVED: Final = int(Cell.RECEIVED)
_POOL_TIMEOUTS: Final = ("PoolTimeout", "ConnectionTimeoutError")


class Watch:
    """What `observe` returns. `threads`: the client is used by threads, so all reports are made under one lock."""

    def __init__(
        self,
        limit: Callable[[], int | None],
        label: Label | None,
        held_seconds: float | None,
        *,
        threads: bool,
        monitor: Monitor | None = None,
        report: Report | None = None,
    ) -> None:
        # what is counted into another's figures is a part of its requests, and none of its own
        self.monitor = Monitor(Counters()) if monitor is None else Monitor(monitor.counters, held=monitor.held)
        self._counts_requests = monitor is None
        self.report = at_once if not threads else report or _locked()
        self.connections = Connections(self.monitor, self.report)
        self._limit = limit
        self._label = label
        self._held_seconds = held_seconds
        self._timer: threading.Timer | None = None

    def snapshot(self) -> dict[str, Any]:
        """Return the pool as it is now and what was counted since `observe`. Times in ms, null of nothing."""
        self.report(self.monitor.flush)
        cells = self.monitor.cells
        wait = distribution(cells, Histogram.WAIT)
        holds = cells[Cell.HOLD_COUNT]
        return {
            "max": self._limit(),
            **gauges(cells),
            "requests": cells[Cell.RECEIVED],
            "opened": cells[Cell.OPENED],
            "reused": cells[Cell.REUSED],
            "closed": cells[Cell.CLOSED],
            "timeouts": cells[Cell.TIMEOUTS],
            "wait_ms": {
                "count": wait.count,
                "mean": wait.mean_ms,
                "p50": wait.percentile_ms(0.5),
                "p99": wait.percentile_ms(0.99),
            },
            "hold_ms": {"count": holds, "mean": cells[Cell.HOLD_NS] / holds / 1e6 if holds else None},
            "holders": [self._holder(trace) for trace in islice(list(self.monitor.held), _HOLDERS_SHOWN)],
        }

    def line(self) -> str:
        """Return the pool in one line, for a log."""
        return line(self.monitor.cells)

    def words(self) -> str:
        """Return the note for a pool time-out: how full the pool is, and its longest held connection."""
        now = gauges(self.monitor.cells)
        limit = self._limit()
        text = f"{now['active']} of {'any number' if limit is None else limit} busy, {now['waiting']} waiting"
        for trace in islice(list(self.monitor.held), 1):
            text += f", longest held {trace.slot.held_seconds:.1f} s by {self.label_of(trace)}"
        return text

    def label_of(self, trace: RequestTrace) -> str:
        """Return how a request is named: by `label`, else by its method and its path without the query."""
        if self._label is not None and trace.subject is not None:
            return self._label(trace.subject)
        return f"{trace.method} {trace.path.decode('latin-1')}"

    def begin(self, method: str, path: bytes, request_id: str, subject: object) -> tuple[RequestTrace, bool]:
        """Return the trace of a request and whether it is our own; one that is current already is joined."""
        trace = current.get()
        if trace is not None and attachment.attach(trace):
            self.report(attachment.ask_again, trace)
            return trace, False
        trace = self.monitor.trace(method, path, request_id, subject)
        self.report(self._received, trace)
        if self._held_seconds is not None and self._timer is None:
            self._check_in(self._held_seconds)
        return trace, True

    def fail(self, trace: RequestTrace, own: bool, error: BaseException) -> None:
        """End a request that got no response; a pool time-out is counted and given the numbers as a note."""
        self.report(self._failed, trace, own, error)

    def end(self, trace: RequestTrace, own: bool) -> None:
        """End a request whose response was closed."""
        if own:
            self.report(trace.end)
        else:
            self.report(attachment.detach, trace)

    def _received(self, trace: RequestTrace) -> None:
        trace.admitted()
        self.monitor.cells[_RECEIVED] += self._counts_requests

    def _failed(self, trace: RequestTrace, own: bool, error: BaseException) -> None:
        if type(error).__name__ in _POOL_TIMEOUTS and not trace.granted:
            self.monitor.cells[Cell.TIMEOUTS] += own
            error.add_note(self.words())
        if own:
            trace.end()
        else:
            attachment.detach(trace, failed=True)

    def _holder(self, trace: RequestTrace) -> dict[str, Any]:
        return {
            "label": self.label_of(trace),
            "request_id": trace.given_id or None,
            "method": trace.method,
            "path": trace.path.decode("latin-1"),
            "held_seconds": round(trace.slot.held_seconds, 6),
        }

    def _check_in(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._log_long_held)
        self._timer.daemon = True
        self._timer.start()

    def _log_long_held(self) -> None:
        """Log each connection held beyond the threshold, once; look again as long as any is held."""
        assert self._held_seconds is not None
        self._timer = None
        for trace, seconds in newly_leaked(self.monitor, self._held_seconds):
            logging.getLogger("poolwatch").warning(
                "a connection has been held for %.1f s by %s: %s", seconds, self.label_of(trace), self.line()
            )
        if self.monitor.held:
            self._check_in(self._held_seconds / 2)


def _locked() -> Report:
    lock = threading.Lock()

    def report(event: Callable[..., object], *arguments: object) -> None:
        with lock:
            event(*arguments)

    return report
