"""How much a TCP sender has in flight: slow start, after idling, after a loss. For the relay, which has no real TCP."""

import math

from link.model import MSS
from link.tcp_recovery import MIN_RTO

INITIAL = 10 * MSS
"""RFC 6928's initial window, Linux's default."""

LARGEST = 4 << 20
"""Linux's default limit of a socket's send buffer (tcp_wmem): limits the memory of one connection."""

SMALLEST = 2 * MSS
"""RFC 5681's least slow start threshold."""


class CongestionWindow:
    """The congestion window of one direction of one connection; times in seconds, sizes in payload bytes.

    A fully used window grows by what is acknowledged, so it doubles every round trip (slow start, RFC 5681).
    Idle, it halves per time-out down to the initial window (RFC 5681 section 4.1, Linux's tcp_slow_start_after_idle).
    A loss halves it, once a round trip; from there it grows by a segment a round trip (RFC 5681 section 3.1).
    Without a round trip the window is fully open from the start.
    """

    def __init__(self, rtt: float):
        self.size = INITIAL if rtt else LARGEST
        self.in_flight = 0
        self._rtt = rtt
        self._threshold: float = math.inf
        self._recovers_until = 0.0
        self._idle_since: float | None = None

    def retime(self, rtt: float) -> None:
        """Apply another round trip. A window without one so far has not been measured: it starts anew."""
        if rtt and not self._rtt:
            self.size, self._threshold = INITIAL, math.inf
        elif not rtt:
            self.size = LARGEST
        self._rtt = rtt

    def room(self, now: float) -> int:
        """Return how many bytes may be sent now."""
        if self._idle_since is not None:
            self._shrink(now - self._idle_since)
            self._idle_since = None
        return self.size - self.in_flight

    def sent(self, size: int, *, more: bool) -> bool:
        """Count bytes as in flight; return whether the window limits the sender (`more` bytes wait behind them)."""
        self.in_flight += size
        self._idle_since = None
        return more or 2 * self.in_flight >= self.size

    def lost(self, now: float) -> None:
        """Halve the window for a loss, once a round trip."""
        if self._rtt and now >= self._recovers_until:
            self.size = max(SMALLEST, self.size // 2)
            self._threshold = self.size
            self._recovers_until = now + self._rtt

    def acknowledged(self, now: float, size: int, *, limited: bool) -> None:
        """Count bytes as acknowledged; `limited` is what `sent` returned for them."""
        self.in_flight -= size
        if limited:
            grown = size if self.size < self._threshold else max(1, MSS * size // self.size)
            self.size = min(LARGEST, self.size + grown)
        if not self.in_flight:
            self._idle_since = now

    def _shrink(self, idle: float) -> None:
        rto = MIN_RTO + self._rtt
        while self._rtt and idle > rto and self.size > INITIAL:
            self.size = max(INITIAL, self.size // 2)
            idle -= rto
