"""The tun engine: real packets of a real TCP, read from a TUN device, held back as the link model says, re-injected.

Only the upstream's replies (and, for a bandwidth towards it, the requests) are led here by the routes; connect()
itself takes a round trip, and slow start, retransmission and idling are the kernel's own.
"""

import contextlib
import heapq
import os
import select
import socket
import sys
import threading
import time
from random import Random
from typing import Any

from link.lateness import Lateness
from link.measure import Measured, echo, measure
from link.model import Conditions, Lane, directions
from link.namespace import lead_through_tun, open_tun
from link.routes import MARK, PROBE_ADDRESS

SO_MARK = 36
SEND_BUFFER = 8 << 20
BATCH = 64
"""Packets read before looking at the clock again."""

SWITCH_INTERVAL = 0.0005
"""Seconds after which the control port's thread hands over to the packets' own; Python's 5 ms are late."""

FLOWS = 4096
"""Flows remembered before those that are over are forgotten."""


class Tun:
    """Moves packets in a thread of its own. Built with privileges, run without."""

    def __init__(self, conditions: Conditions, port: int, *, seed: int):
        self.lateness = Lateness()
        self._probe = socket.create_server(("0.0.0.0", 0), backlog=128)
        self._down, self._up = directions(conditions, Random(seed))
        self._ports = {port.to_bytes(2), self._probe.getsockname()[1].to_bytes(2)}
        self._lanes: dict[bytes, Lane] = {}
        self._packets = self._bytes = self._dropped = self._failed = 0
        self._tun = open_tun()
        self._raw = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_RAW)
        self._raw.setsockopt(socket.SOL_SOCKET, SO_MARK, MARK)
        self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        lead_through_tun(port, self._probe.getsockname()[1], incoming=conditions.up is not None)
        self._wake, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._move, name="tun", daemon=True)

    async def start(self) -> None:
        """Begin to move packets."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._thread.start()

    async def stop(self) -> None:
        """End the thread and close what is open; the device goes with it, and its routes drop what still comes."""
        os.write(self._waker, b"x")
        self._thread.join()
        self._probe.close()
        self._raw.close()
        for descriptor in (self._tun, self._wake, self._waker):
            os.close(descriptor)

    async def measure(self) -> Measured:
        """Time handshakes and requests to an echo of the link's own: its replies go as the upstream's do."""
        port = self._probe.getsockname()[1]
        async with echo(self._probe):
            return await measure(PROBE_ADDRESS, port)

    def stats(self) -> dict[str, Any]:
        """Return the counters, as `/-/stats` shows them."""
        packets = {"carried": self._packets, "dropped": self._dropped, "failed": self._failed}
        return {"packets": packets, "bytes": {"carried": self._bytes}}

    def _move(self) -> None:
        held: list[tuple[float, int, bytes]] = []
        count = 0
        while True:
            self._send_due(held)
            timeout = max(0.0, held[0][0] - time.monotonic()) if held else None
            ready, _, _ = select.select([self._tun, self._wake], [], [], timeout)
            if self._wake in ready:
                return
            if not ready:
                continue
            with contextlib.suppress(BlockingIOError):
                for _ in range(BATCH):
                    packet = os.read(self._tun, 65535)
                    count += 1
                    due = self._due(packet)
                    if due is not None:
                        heapq.heappush(held, (due, count, packet))

    def _due(self, packet: bytes) -> float | None:
        header = (packet[0] & 15) * 4
        if packet[0] >> 4 != 4 or len(packet) < header + 4:
            return None
        flow = packet[12:20] + packet[header : header + 4]
        lane = self._lanes.get(flow)
        now = time.monotonic()
        if lane is None:
            if len(self._lanes) >= FLOWS:
                self._lanes = {key: each for key, each in self._lanes.items() if each.last > now}
            from_upstream = packet[header : header + 2] in self._ports
            lane = self._lanes[flow] = Lane(self._down if from_upstream else self._up)
        due = lane.deadline(now, len(packet))
        self._dropped += due is None
        return due

    def _send_due(self, held: list[tuple[float, int, bytes]]) -> None:
        now = time.monotonic()
        while held and held[0][0] <= now:
            due, _, packet = heapq.heappop(held)
            try:
                self._raw.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
            except OSError:  # a full queue or a route gone with its interface: lost, as packets are
                self._failed += 1
                continue
            now = time.monotonic()
            self._packets += 1
            self._bytes += len(packet)
            self.lateness.add(now - due)
