"""Detects slots of a pool that no request holds and that will not be given back.

httpcore 1.0.9 loses a slot when a request is cancelled between being given a connection and using it, or as it gives it
back (its issue 1093): every later request then waits for the pool time-out, for ever.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Final

_COUNTS: Final = re.compile(r"(\d+) queued \| Connections: (\d+) active")


class LostSlots:
    """The suspicion that a pool has lost slots. For a moment that looks so in a sound pool too: it has to last.

    `lost` counts them now, `name` is the library's.
    """

    def __init__(self, name: str, max_connections: int, patience_seconds: float, lost: Callable[[], int]) -> None:
        self._name = name
        self._max = max_connections
        self._patience = patience_seconds
        self._lost = lost
        self._log = logging.getLogger("proxy")
        self._timer: asyncio.TimerHandle | None = None
        self._since: float | None = None
        self._logged = 0

    def suspect(self) -> None:
        """Look now, and if something is wrong look again after the pool time-out; if it still is, log it."""
        if self._lost() == 0:
            self._since = None
        elif self._since is None:
            loop = asyncio.get_running_loop()
            self._since = loop.time()
            self.end()
            self._timer = loop.call_later(self._patience, self._confirm)

    def sentence(self) -> str | None:
        """Return a sentence about a pool that has no slot left, once that is certain."""
        sure = self._since is not None and asyncio.get_running_loop().time() - self._since >= self._patience
        lost = self._lost()
        return self._words(lost) if sure and lost >= self._max else None

    def end(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _confirm(self) -> None:
        lost = self._lost()
        if lost > self._logged:
            self._logged = lost
            self._log.error("the pool has lost slots: %s", self._words(lost))
        if lost < self._max:  # none, or it may get worse
            self._since = None

    def _words(self, lost: int) -> str:
        return (
            f"{lost} of the {self._max} connections of {self._name}'s pool are taken though no request holds them: "
            "they were lost when requests were cancelled. Restart the proxy, or set PROXY_QUEUE=gate"
        )


def lost_slots(pool: str, calls: int) -> int:
    """Return how many connections a pool has in use that none of its callers' `calls` uses.

    `pool` is the repr of an httpcore pool: public, and the one place where it tells its counts.
    """
    counts = _COUNTS.search(pool)
    if counts is None:
        return 0
    queued, in_use = int(counts[1]), int(counts[2])
    return max(in_use - max(calls - queued, 0), 0)
