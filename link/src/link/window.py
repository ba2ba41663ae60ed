"""How much a TCP sender has under way: slow start, and again after idling. For engines without a real TCP."""

from link.model import MSS

INITIAL = 10 * MSS
"""RFC 6928's initial window, Linux's default."""

LARGEST = 4 << 20
"""Linux's default limit of a socket's send buffer (tcp_wmem): bounds what one connection holds in memory."""

MIN_RTO = 0.2
"""Linux's least retransmission time-out in seconds, to which the round trip is added."""


class Window:
    """The congestion window of one direction of one connection; times in seconds, sizes in payload bytes.

    A window that is used fully grows by what is acknowledged, so it doubles every round trip (slow start, RFC 5681).
    Idle, it halves per time-out down to the initial window (RFC 5681 section 4.1, Linux's tcp_slow_start_after_idle).
    Without a round trip there is nothing to wait for and the window is open from the start.
    """

    def __init__(self, rtt: float):
        self.size = INITIAL if rtt else LARGEST
        self.in_flight = 0
        self._slow_start = rtt > 0
        self._rto = MIN_RTO + rtt
        self._idle_since: float | None = None

    def room(self, now: float) -> int:
        """Return how many bytes may be sent now."""
        if self._idle_since is not None:
            self._shrink(now - self._idle_since)
            self._idle_since = None
        return self.size - self.in_flight

    def sent(self, size: int, *, more: bool) -> bool:
        """Count bytes as under way; return whether the window is what limits the sender (`more` waits behind them)."""
        self.in_flight += size
        self._idle_since = None
        return more or 2 * self.in_flight >= self.size

    def acknowledged(self, now: float, size: int, *, limited: bool) -> None:
        """Count bytes as arrived; `limited` is what `sent` returned for them."""
        self.in_flight -= size
        if limited:
            self.size = min(LARGEST, self.size + size)
        if not self.in_flight:
            self._idle_since = now

    def _shrink(self, idle: float) -> None:
        while self._slow_start and idle > self._rto and self.size > INITIAL:
            self.size = max(INITIAL, self.size // 2)
            idle -= self._rto
