"""Which requests hold the connections, the longest first, and a log line for one that looks leaked."""

import logging
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from poolwatch import steps
from poolwatch.monitor import Monitor
from poolwatch.phases import NAMES
from poolwatch.report import line
from poolwatch.trace import RequestTrace

SHOWN: Final = 100


def holders(monitor: Monitor) -> list[dict[str, Any]]:
    """Return the requests that hold a connection, the longest held first."""
    return [_holder(trace) for trace in islice(monitor.held, SHOWN)]


def newly_leaked(monitor: Monitor, threshold_seconds: float) -> Iterator[tuple[RequestTrace, float]]:
    """Yield each request that has held its connection for longer than the threshold, once, and for how many seconds."""
    for trace in list(monitor.held):  # oldest first
        held = trace.slot.held_seconds
        if held < threshold_seconds:
            return
        if not trace.leak_logged:
            trace.leak_logged = True
            yield trace, held


def log_leaks(monitor: Monitor, threshold_seconds: float, logger: logging.Logger) -> None:
    """Log each request that has held its connection for longer than the threshold, once."""
    for trace, held in newly_leaked(monitor, threshold_seconds):
        logger.warning(
            "a connection has been held for %.1f s by %s %s, request id %s: %s",
            held,
            trace.method,
            trace.path.decode("latin-1"),
            trace.request_id,
            line(monitor.cells),
        )


def _holder(trace: RequestTrace) -> dict[str, Any]:
    """`phase` is null if the request is over: its connection was not given back."""
    step = trace.times.step
    return {
        "request_id": trace.request_id,
        "method": trace.method,
        "path": trace.path.decode("latin-1"),
        "held_seconds": round(trace.slot.held_seconds, 6),
        "phase": None if step == steps.ENDED else NAMES[steps.PHASE_OF_STEP[step]],
    }
