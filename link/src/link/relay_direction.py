"""One direction of one relayed connection: takes bytes and delivers them at the times of the link model."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable

from link.congestion_window import CongestionWindow
from link.model import ACK, MSS, Lane, wire_size
from link.path_charge import LaneCharge
from link.relay_conditions import RelayConditions
from link.tcp_recovery import again
from service_kit.timer_queue import TimerQueue

FULL = 256 << 10
"""Bytes that wait for the window when reading from the sender pauses."""

CHUNK = 64 << 10
"""Most bytes that are sent as one unit."""

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class RelayDirection:
    """Bytes from `source` to `sink`, which are attached once they are connected; bytes before that wait.

    Memory is bounded: at most FULL bytes wait, and at most a window is in flight or unread by a slow sink.
    """

    def __init__(self, timers: TimerQueue, network: RelayConditions, *, down: bool, on_end: Callable[[], None]):
        self.bytes = 0
        self.ended = False
        self.lane = Lane(network.down if down else network.up)
        self._charge = LaneCharge()
        self._down = down
        self._timers = timers
        self._network = network
        self._window = CongestionWindow(network.conditions.rtt)
        self._on_end = on_end
        self._source: asyncio.Transport | None = None
        self._sink: asyncio.Transport | None = None
        self._waiting = bytearray()
        self._in_flight = 0
        self._unacknowledged: list[tuple[int, bool]] = []
        self._held = self._paused = self._retrying = self._closing = False
        self._tries = 0

    def retime(self, rtt: float) -> None:
        self._window.retime(rtt)

    def attach_source(self, transport: asyncio.Transport) -> None:
        """Set where the bytes come from, so that reading can be paused."""
        self._source = transport

    def attach_sink(self, transport: asyncio.Transport) -> None:
        """Set where the bytes go; waiting bytes start to move."""
        self._sink = transport
        self._pump()

    def feed(self, data: bytes) -> None:
        """Take bytes that the source sent."""
        if self.ended:
            return
        self._waiting += data
        self._pump()
        if len(self._waiting) >= FULL and self._source and not self._paused:
            self._paused = True
            self._source.pause_reading()

    def end(self) -> None:
        """Pass on a FIN, which arrives after the bytes before it."""
        self._closing = True
        self._pump()

    def reset(self) -> None:
        """Pass on a RST: it arrives after the bytes in flight; waiting bytes are discarded."""
        self._waiting.clear()
        self._timers.call_at(self.lane.arrival(time.monotonic(), ACK), self.abort)

    def abort(self) -> None:
        """Reset the sink at once."""
        self.ended = True
        self._waiting.clear()
        if self._sink:
            reset(self._sink)

    def hold(self) -> None:
        """Stop acknowledging, because the sink does not read; the window closes by itself."""
        self._held = True

    def release(self) -> None:
        """Acknowledge again."""
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
                self._network.charges.bandwidth_queue += room_at - now
                self._retrying = True
                self._timers.call_at(room_at, self._retry)
                break
            self._send(now, size)
        if self._paused and len(self._waiting) < FULL // 2 and self._source:
            self._paused = False
            self._source.resume_reading()
        ready = self._closing and not self._waiting and not self._retrying and self._sink
        if ready and not self._blocked(time.monotonic()):
            self._closing = False
            self._in_flight += 1
            self._travel(self.lane.arrival(time.monotonic(), ACK), self._finish)

    def _blocked(self, now: float) -> bool:
        # What a partition drops is sent again after a time-out, which doubles each time.
        if not self._network.blocked(now):
            self._tries = 0
            return False
        self._retrying = True
        until = again(self._network.conditions.rtt, self._tries)
        self._network.charges.retransmission += until
        self._timers.call_at(now + until, self._retry)
        self._tries += 1
        return True

    def _retry(self) -> None:
        self._retrying = False
        self._pump()

    def _send(self, now: float, size: int) -> None:
        chunk = bytes(self._waiting[:size])
        del self._waiting[:size]
        limited = self._window.sent(size, more=bool(self._waiting))
        self._in_flight += 1
        if late := self._network.stall(size, more=bool(self._waiting)):
            self._window.lost(now)
        arrives = self.lane.arrival(now, wire_size(size), late)
        self._charge.passed(self._network.charges, now, self.lane.direction.sent, arrives, late)
        self._travel(arrives, lambda: self._deliver(chunk, limited))

    def _travel(self, when: float, arrive: Callable[[], None]) -> None:
        if self._in_flight == 1 and when <= time.monotonic():
            arrive()
        else:
            self._timers.call_at(when, arrive)

    def _deliver(self, chunk: bytes, limited: bool) -> None:
        self._in_flight -= 1
        if self._sink and not self.ended and not self._sink.is_closing():
            self.bytes += len(chunk)
            self._sink.write(chunk)
        if self._held:
            self._unacknowledged.append((len(chunk), limited))
        else:
            self._acknowledge(len(chunk), limited)

    def _acknowledge(self, size: int, limited: bool) -> None:
        # Acknowledgements of the upstream's bytes come back at once, those of the client's bytes take the way down.
        delay = 0.0 if self._down else self._network.conditions.rtt
        if delay:
            self._timers.call_at(time.monotonic() + delay, lambda: self._acknowledged(size, limited))
        else:
            self._acknowledged(size, limited)

    def _acknowledged(self, size: int, limited: bool) -> None:
        self._window.acknowledged(time.monotonic(), size, limited=limited)
        if self._waiting and not self.ended:
            self._pump()

    def _finish(self) -> None:
        self._in_flight -= 1
        self.ended = True
        if self._sink and not self._sink.is_closing():
            with contextlib.suppress(OSError):  # the sink left meanwhile
                self._sink.write_eof()
        self._on_end()


def reset(transport: asyncio.Transport) -> None:
    """Close with a RST instead of a FIN."""
    if transport.is_closing() and not transport.get_write_buffer_size():
        return  # nothing to do; asyncio would call connection_lost twice where the last bytes went out after close()
    held: socket.socket | None = transport.get_extra_info("socket")
    if held is not None and not transport.is_closing():
        with contextlib.suppress(OSError):
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()
