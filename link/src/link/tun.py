"""The tun engine: real packets of a real TCP, read from a TUN device, delayed by the link model, re-injected.

Routes send the upstream's replies here, and the requests too where the conditions concern them. connect() itself takes
a round trip; slow start, retransmission and the restart after idling are the kernel's own.
"""

import contextlib
import heapq
import os
import select
import socket
import sys
import threading
import time
from typing import Any

from link.caveats import IPV6, REQUESTS, of_requests
from link.model import Conditions
from link.namespace import open_tun, route_through_tun
from link.packet_path import PacketPath
from link.routes import MARK, PROBE_ADDRESS
from link.self_test import SelfTest, echo, measure
from service_kit.histogram import LogHistogram

SO_MARK = 36
SEND_BUFFER = 8 << 20
BATCH = 64
"""Packets read before looking at the clock again."""

SWITCH_INTERVAL = 0.0005
"""Seconds after which the control port's thread yields to that of the packets; Python's own 5 ms make packets late."""


class Tun:
    """Moves packets in a thread of its own. Built with privileges, run without.

    Requests are routed through the device too if the conditions concern them, or if there are no conditions yet: then
    they will be set later. `no_forwarding` is the reason why requests cannot be routed, or None.
    """

    def __init__(self, conditions: Conditions, port: int, *, seed: int, no_forwarding: str | None = None):
        self.lateness = LogHistogram()
        wanted = conditions.concerns_requests or conditions.nothing
        self._both_ways = wanted and no_forwarding is None
        self._can_forward = no_forwarding is None
        self._no_requests = no_forwarding or "nothing set at the link's start concerned them"
        self._conditions = conditions
        self._probe = socket.create_server(("0.0.0.0", 0), backlog=128)
        probe_port = self._probe.getsockname()[1]
        self._passage = PacketPath(port, probe_port, seed=seed, both_ways=self._both_ways)
        self._packets = self._bytes = self._failed = 0
        self._tun = open_tun()
        self._raw = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_RAW)
        self._raw.setsockopt(socket.SOL_SOCKET, SO_MARK, MARK)
        self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        route_through_tun(port, probe_port, incoming=self._both_ways)
        self._wake, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._move, name="tun", daemon=True)

    async def start(self) -> None:
        sys.setswitchinterval(SWITCH_INTERVAL)
        now = time.monotonic()
        self._passage.change(self._conditions, now, now)
        self._thread.start()

    async def stop(self) -> None:
        """End the thread and close the device; its routes then drop what still arrives."""
        os.write(self._waker, b"x")
        self._thread.join()
        self._probe.close()
        self._raw.close()
        for descriptor in (self._tun, self._wake, self._waker):
            os.close(descriptor)

    async def measure(self) -> SelfTest:
        """Time handshakes and requests to an echo service of the link, whose replies are routed as the upstream's are.

        Only delay and bandwidth apply to them: loss, resets and partitions would be measured by chance.
        """
        async with echo(self._probe.dup()):
            return await measure(PROBE_ADDRESS, self._probe.getsockname()[1])

    def refuses(self, conditions: Conditions) -> tuple[str, str] | None:
        if conditions.up is None or self._both_ways:
            return None
        return "bw_up_mbit", f"{self._no_requests}; {self._instead(['NET_BW_UP_MBIT'])}"

    def change(self, conditions: Conditions, since: float) -> None:
        self._passage.change(conditions, time.monotonic(), since)

    def caveats(self, conditions: Conditions) -> list[str]:
        found = [IPV6]
        if conditions.concerns_requests and not self._both_ways:
            concerned = of_requests(conditions)
            found.append(
                f"Requests reach the upstream whatever the network does ({self._no_requests}): "
                f"{' and '.join(concerned)} can only affect the replies; {self._instead(concerned)}."
            )
        return found + ([REQUESTS] if conditions.resets else [])

    def stats(self) -> dict[str, Any]:
        dropped = self._passage.dropped()
        packets = {
            "carried": self._packets,
            "dropped": sum(dropped.values()),
            "failed": self._failed,
            "dropped_by": dropped,
        }
        charges = self._passage.charges.as_json()
        return {"packets": packets, "bytes": {"carried": self._bytes}, "path_ms": charges}

    def _instead(self, variables: list[str]) -> str:
        if self._can_forward:
            return f"start the link with {' or '.join(variables)} set"
        return "set that sysctl on the service `network`"

    def _move(self) -> None:
        held: list[tuple[float, int, bytes]] = []
        count = 0
        take = self._passage.take
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
                    for due, leaving in take(packet, time.monotonic()):
                        count += 1
                        heapq.heappush(held, (due, count, leaving))

    def _send_due(self, held: list[tuple[float, int, bytes]]) -> None:
        now = time.monotonic()
        while held and held[0][0] <= now:
            due, _, packet = heapq.heappop(held)
            try:
                self._raw.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
            except OSError:  # a full queue, or a route that vanished with its interface: the packet is lost
                self._failed += 1
                continue
            now = time.monotonic()
            self._packets += 1
            self._bytes += len(packet)
            self.lateness.add(1e3 * (now - due))
