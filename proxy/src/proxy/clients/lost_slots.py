"""Detects slots of a pool that no request holds and that will not be given back.

httpcore 1.0.9 loses a slot when a request is cancelled between being given a connection and using it, or as it gives it
back (its issue 1093): every later request then waits for the pool time-out, for ever.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

_QUEUED: Final = re.compile(r"(\d+) queued \|")


@dataclass(frozen=True)
class Loss:
    """Slots that a pool has lost, `slots` of `max_connections`, and one sentence about it."""

    slots: int
    max_connections: int
    sentence: str

    @property
    def is_total(self) -> bool:
        """Whether no slot is left, so that the pool can serve no request."""
        return self.slots >= self.max_connections


class LostSlots:
    """Looks for lost slots of one pool, and logs it when there are more. `lost` counts them now."""

    def __init__(self, name: str, max_connections: int, lost: Callable[[], int]) -> None:
        self._name = name
        self._max = max_connections
        self._lost = lost
        self._log = logging.getLogger("proxy")
        self._logged = 0

    def look(self) -> Loss | None:
        """Return what is lost now, None in a sound pool."""
        slots = self._lost()
        if not slots:
            return None
        sentence = (
            f"{slots} of the {self._max} connections of {self._name}'s pool are taken though no request holds them: "
            "they were lost when requests were cancelled. Restart the proxy, or set PROXY_QUEUE=gate"
        )
        if slots > self._logged:
            self._logged = slots
            self._log.error("the pool has lost slots: %s", sentence)
        return Loss(slots, self._max, sentence)


def lost_slots(pool: Any, calls: int) -> int:
    """Return how many connections a pool of httpcore's has in use that none of its `calls` uses.

    A call counts from before it enters the pool until its connection is given back: with no `await` in between, what
    is in use beyond them is lost. A connection that is closed, idle or open for another stream is not in use: the
    pool's next request clears it away or takes it. Only the pool's repr shows how many calls wait.
    """
    queued = _QUEUED.search(repr(pool))
    if queued is None:
        return 0
    in_use = sum(not (each.is_available() or each.is_idle() or each.is_closed()) for each in pool.connections)
    return max(in_use - max(calls - int(queued[1]), 0), 0)
