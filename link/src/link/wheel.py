"""Calls things at their time, to a fraction of a millisecond. Epoll alone rounds up to the next whole one."""

import asyncio
import contextlib
import ctypes
import heapq
import os
import sys
import time
from collections.abc import Callable

from link.lateness import Lateness

_NONBLOCK_CLOEXEC = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)
_ABSOLUTE = 1
_SOONEST = 1e-6  # a timerfd set to zero is disarmed


class _Timer(ctypes.Structure):
    _fields_ = [("values", ctypes.c_long * 4)]


class Wheel:
    """One heap of callbacks driven by one timerfd, or by the loop's own timers where there is no timerfd."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lateness: Lateness):
        self._lateness = lateness
        self._loop = loop
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._armed: float | None = None
        self._closed = False
        self._libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
        self._fd = self._libc.timerfd_create(time.CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC) if self._libc else -1
        if self._fd >= 0:
            loop.add_reader(self._fd, self._fire)

    def at(self, when: float, callback: Callable[[], None]) -> None:
        """Call `callback` at `when` (seconds of time.monotonic); equal times keep their order."""
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, callback))
        if self._armed is None or when < self._armed:
            self._arm(when)

    def close(self) -> None:
        """Forget what is due and give the timer back."""
        self._closed = True
        self._heap.clear()
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _arm(self, when: float) -> None:
        if self._closed:
            return
        self._armed = when
        if self._fd < 0:
            self._loop.call_at(when, self._fire)  # asyncio's clock is time.monotonic too
            return
        timer = _Timer()
        whole, part = divmod(max(when, _SOONEST), 1)
        timer.values[2], timer.values[3] = int(whole), int(part * 1e9)
        assert self._libc is not None
        self._libc.timerfd_settime(self._fd, _ABSOLUTE, ctypes.byref(timer), None)

    def _fire(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(BlockingIOError):
                os.read(self._fd, 8)
        now = time.monotonic()
        while self._heap and self._heap[0][0] <= now:
            when, _, callback = heapq.heappop(self._heap)
            self._lateness.add(now - when)
            callback()
        self._armed = None
        if self._heap:
            self._arm(self._heap[0][0])
