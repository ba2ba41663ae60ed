"""Which requests wait and which are served in a library that reports neither: its rule, simulated beside it."""

from collections import OrderedDict
from collections.abc import Callable

from poolwatch.trace import RequestTrace


class ShadowSemaphore:
    """A library that lets so many calls run and the rest wait in order of arrival, seen from outside."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._running: set[object] = set()
        self._waiting: OrderedDict[object, RequestTrace | None] = OrderedDict()

    def ask(self, trace: RequestTrace | None) -> Callable[[], None]:
        """Note that a call begins. Returns what to call when it has ended."""
        call = object()
        self._waiting[call] = trace
        self._grant()
        return lambda: self._end(call)

    def _grant(self) -> None:
        while self._waiting and len(self._running) < self._count:
            call, trace = self._waiting.popitem(last=False)
            self._running.add(call)
            if trace is not None:
                trace.grant()

    def _end(self, call: object) -> None:
        self._waiting.pop(call, None)
        self._running.discard(call)
        self._grant()
