"""The clock of both logs; a module of its own because neither log imports the other."""

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UnixClock:
    """Converts the monotonic clock's nanoseconds into Unix time, by the difference of the two at the start."""

    offset_ns: int

    @classmethod
    def now(cls) -> "UnixClock":
        return cls(time.time_ns() - time.monotonic_ns())

    def unix(self, monotonic_ns: int) -> float:
        """Seconds, to the microsecond."""
        return round((monotonic_ns + self.offset_ns) / 1e9, 6)
