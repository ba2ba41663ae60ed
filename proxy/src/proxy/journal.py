"""The journal: finished requests on their way into the histograms and the ledger, entered some dozens at a time.

Entering one takes a fifth of a fast client's request when it is done after each, and half of that in batches, where
code and figures are still in the processor's caches. Nobody sees a difference: whoever reads in this worker has it
entered first, and whoever reads the other workers' files waits for their next sample. A worker that is killed loses
what is pending, TICK_SECONDS of it at the most; its counters (`counters.Cell`) are always whole.
"""

import time
from typing import TYPE_CHECKING, Final

from proxy.counters import Cells
from proxy.ledger import Ledger

if TYPE_CHECKING:
    from proxy.exchange import Exchange

TICK_SECONDS: Final = 0.05
"""How long a finished request is pending at the most; whoever keeps the journal calls `enter` as often."""

_BATCH: Final = 64
"""At 5 us each the event loop is held up for a third of a millisecond."""


class Journal:
    """The finished requests of this worker that are still to be entered."""

    def __init__(self, counters: Cells, ledger: Ledger) -> None:
        self._counters = counters
        self._ledger = ledger
        self._pending: list[Exchange] = []

    def add(self, exchange: "Exchange") -> None:
        """Take a request that has just ended."""
        self._pending.append(exchange)
        if len(self._pending) >= _BATCH:
            self.enter()

    def enter(self) -> None:
        """Enter what is pending."""
        if self._pending:
            pending, self._pending = self._pending, []
            for exchange in pending:
                exchange.settle()
            self._counters.add_phases([(exchange.spent_ns, exchange.total_ns) for exchange in pending])
            self._ledger.append(pending, time.time_ns() - time.perf_counter_ns())
