"""Linux's timerfd as an alarm: a file descriptor that becomes readable at a time of the monotonic clock."""

import asyncio
import contextlib
import ctypes
import os
import struct
import sys
import time
from collections.abc import Callable

_TIMER_ABSTIME = 1

if sys.version_info >= (3, 13) and sys.platform == "linux":

    def _create() -> int:
        return os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)

    def _set(fd: int, at_ns: int) -> None:
        os.timerfd_settime_ns(fd, flags=os.TFD_TIMER_ABSTIME, initial=at_ns)

else:
    _LIBC = ctypes.CDLL(None, use_errno=True)

    def _create() -> int:
        if not hasattr(_LIBC, "timerfd_create"):  # no Linux
            raise OSError("no timerfd here")
        fd = int(_LIBC.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC))
        if fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        return fd

    def _set(fd: int, at_ns: int) -> None:
        # struct itimerspec: interval (none), then the first and only time, each as seconds and nanoseconds.
        spec = struct.pack("@llll", 0, 0, *divmod(at_ns, 10**9))
        _LIBC.timerfd_settime(fd, _TIMER_ABSTIME, spec, None)


class TimerFd:
    """An alarm that rings through the event loop's own poll; the callback runs inside the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._fd = _create()
        self._loop.add_reader(self._fd, self._readable)

    def set(self, at_ns: int) -> None:
        """Ring at `at_ns`; a time that is past rings at once, but 0 would switch a timerfd off."""
        _set(self._fd, max(1, at_ns))

    def close(self) -> None:
        """Close the descriptor."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _readable(self) -> None:
        # Set again between two polls, it may have nothing to read; the queue then finds nothing due.
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 8)
        self._ring()


def timerfd_works() -> bool:
    """Whether this system has timerfds."""
    try:
        os.close(_create())
    except OSError:
        return False
    return True
