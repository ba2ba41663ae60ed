"""One direction of one relayed connection: takes bytes in, lets them out when the model says they arrive."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable

from link.congestion_window import CongestionWindow
from link.model import ACK, MSS, Lane, wire_size
from link.relay_conditions import RelayConditions
from link.tcp_recovery import again
from link.wheel import Wheel

FULL = 256 << 10
"""Bytes waiting for the window at which the sender is no longer read."""

CHUNK = 64 << 10
"""The most that travels as one."""

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class RelayDirection:
    """Bytes from `source` to `sink`. Both are attached when they stand; what comes before waits.

    Memory is bounded: at most FULL bytes wait, and at most a window is under way or lies unread before a slow sink.
    """

    def __init__(self, wheel: Wheel, network: RelayConditions, *, down: bool, on_end: Callable[[], None]):
        self.bytes = 0
        self.ended = False
        self.lane = Lane(network.down if down else network.up)
        self._down = down
        self._wheel = wheel
        self._network = network
        self._window = CongestionWindow(network.conditions.rtt)
        self._on_end = on_end
        self._source: asyncio.Transport | None = None
        self._sink: asyncio.Transport | None = None
        self._waiting = bytearray()
        self._under_way = 0
        self._unacknowledged: list[tuple[int, bool]] = []
        self._held = self._paused = self._retrying = self._closing = False
        self._tries = 0

    def retime(self, rtt: float) -> None:
        """Go on with another round trip."""
        self._window.retime(rtt)

    def attach_source(self, transport: asyncio.Transport) -> None:
        """Say where the bytes come from, so that it can be paused."""
        self._source = transport

    def attach_sink(self, transport: asyncio.Transport) -> None:
        """Say where the bytes go; what waited starts to move."""
        self._sink = transport
        self._pump()

    def feed(self, data: bytes) -> None:
        """Take bytes the source sent."""
        if self.ended:
            return
        self._waiting += data
        self._pump()
        if len(self._waiting) >= FULL and self._source and not self._paused:
            self._paused = True
            self._source.pause_reading()

    def end(self) -> None:
        """The source sent its FIN: it arrives after the bytes before it."""
        self._closing = True
        self._pump()

    def reset(self) -> None:
        """The source sent a RST: it arrives after what is under way, and what had not left yet never does."""
        self._waiting.clear()
        self._wheel.at(self.lane.arrival(time.monotonic(), ACK), self.abort)

    def abort(self) -> None:
        """Reset the sink at once."""
        self.ended = True
        self._waiting.clear()
        if self._sink:
            reset(self._sink)

    def hold(self) -> None:
        """The sink takes no more for now: nothing is acknowledged, and the window closes by itself."""
        self._held = True

    def release(self) -> None:
        """The sink takes bytes again."""
        self._held = False
        owed, self._unacknowledged = self._unacknowledged, []
        for size, limited in owed:
            self._acknowledge(size, limited)

    def _pump(self) -> None:
        while self._waiting and self._sink and not self._retrying:
            now = time.monotonic()
            if self._blocked(now):
                break
            size = min(len(self._waiting), CHUNK, self._window.room(now))
            if size <= 0 or size < min(len(self._waiting), MSS):
                break  # the next acknowledgement pumps again
            room_at = self.lane.room_at(now)
            if room_at > now:
                self._retrying = True
                self._wheel.at(room_at, self._retry)
                break
            self._send(now, size)
        if self._paused and len(self._waiting) < FULL // 2 and self._source:
            self._paused = False
            self._source.resume_reading()
        ready = self._closing and not self._waiting and not self._retrying and self._sink
        if ready and not self._blocked(time.monotonic()):
            self._closing = False
            self._under_way += 1
            self._travel(self.lane.arrival(time.monotonic(), ACK), self._finish)

    def _blocked(self, now: float) -> bool:
        # What a partition swallows is sent again after a time-out, and then after a longer one each time.
        if not self._network.blocked(now):
            self._tries = 0
            return False
        self._retrying = True
        self._wheel.at(now + again(self._network.conditions.rtt, self._tries), self._retry)
        self._tries += 1
        return True

    def _retry(self) -> None:
        self._retrying = False
        self._pump()

    def _send(self, now: float, size: int) -> None:
        chunk = bytes(self._waiting[:size])
        del self._waiting[:size]
        limited = self._window.sent(size, more=bool(self._waiting))
        self._under_way += 1
        if late := self._network.stall(size, more=bool(self._waiting)):
            self._window.lost(now)
        self._travel(self.lane.arrival(now, wire_size(size), late), lambda: self._deliver(chunk, limited))

    def _travel(self, when: float, arrive: Callable[[], None]) -> None:
        if self._under_way == 1 and when <= time.monotonic():
            arrive()
        else:
            self._wheel.at(when, arrive)

    def _deliver(self, chunk: bytes, limited: bool) -> None:
        self._under_way -= 1
        if self._sink and not self.ended and not self._sink.is_closing():
            self.bytes += len(chunk)
            self._sink.write(chunk)
        if self._held:
            self._unacknowledged.append((len(chunk), limited))
        else:
            self._acknowledge(len(chunk), limited)

    def _acknowledge(self, size: int, limited: bool) -> None:
        # Acknowledgements of the upstream's bytes come back at once, those of the client's take the way down.
        delay = 0.0 if self._down else self._network.conditions.rtt
        if delay:
            self._wheel.at(time.monotonic() + delay, lambda: self._acknowledged(size, limited))
        else:
            self._acknowledged(size, limited)

    def _acknowledged(self, size: int, limited: bool) -> None:
        self._window.acknowledged(time.monotonic(), size, limited=limited)
        if self._waiting and not self.ended:
            self._pump()

    def _finish(self) -> None:
        self._under_way -= 1
        self.ended = True
        if self._sink and not self._sink.is_closing():
            with contextlib.suppress(OSError):  # the sink left meanwhile
                self._sink.write_eof()
        self._on_end()


def reset(transport: asyncio.Transport) -> None:
    """Close with a RST instead of a FIN."""
    held: socket.socket | None = transport.get_extra_info("socket")
    if held is not None and not transport.is_closing():
        with contextlib.suppress(OSError):
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()
