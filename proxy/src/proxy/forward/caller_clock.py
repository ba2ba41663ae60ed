"""How long a caller may be silent, and how slow it may be. Pure: times and byte counts come from outside."""

from dataclasses import dataclass
from typing import Final

FLOOR_SECONDS: Final = 10.0
"""The time over which the least rate is taken."""


@dataclass(frozen=True)
class CallerLimits:
    """A head has `head_seconds` as a whole; body and answer have a longest silence and a least rate (0: none)."""

    head_seconds: float
    body_seconds: float
    write_seconds: float
    min_bytes_per_second: float


class ByteClock:
    """Bytes in one direction of a connection, while the caller has to move them. Counts only grow.

    Too slow is a caller that moves none for `silence_seconds`, or fewer than `min_bytes_per_second` over FLOOR_SECONDS.
    """

    __slots__ = ("_due", "_floor", "_moved", "_moved_at", "_running", "_silence", "_window_at", "_window_moved")

    def __init__(self, silence_seconds: float, min_bytes_per_second: float) -> None:
        self._silence = silence_seconds
        self._floor = min_bytes_per_second
        self._running = False
        self._moved = 0

    def stop(self) -> None:
        """The caller has nothing to move now: the next look begins anew."""
        self._running = False

    def is_late(self, now: float, moved: int, due: float) -> bool:
        """Say whether the caller is too slow, at one of a series of looks.

        `moved` is the count of all bytes so far; `due` the count that it could have reached by now. A caller that has
        moved all that was due a while ago is no slower than what feeds it, at whatever rate.
        """
        if not self._running or moved >= self._due:
            self._running = True
            self._moved_at = now
            self._begin_window(now, moved, due)
        elif moved != self._moved:
            self._moved_at = now
        elif now - self._moved_at >= self._silence:
            return True
        self._moved = moved
        seconds = now - self._window_at
        if seconds < FLOOR_SECONDS:
            return False
        if moved - self._window_moved < self._floor * seconds:
            return True
        self._begin_window(now, moved, due)
        return False

    def _begin_window(self, now: float, moved: int, due: float) -> None:
        self._window_at = now
        self._window_moved = moved
        self._due = due
