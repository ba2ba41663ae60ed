"""How long packets stay on an interface before they leave: what a qdisc does, seen without anybody at the other end.

A packet socket sends a frame that looks like a reply of the upstream; a second one, which like tcpdump is shown what
leaves after the qdisc, says when it did. The frame goes to an address that bridges do not forward (IEEE 802.1Q, table
8-1) and to an IP address of nobody (RFC 5737). Sockets are opened with NET_RAW and used without.
"""

import asyncio
import contextlib
import socket
import struct
import time

FRAMES = 20
STAGGER = 0.005
"""Seconds between the frames: a slow link is measured soon too."""

ALL = 0x0003
"""ETH_P_ALL: only a socket of all protocols is shown what leaves."""

NOBODY = bytes.fromhex("0180c200000e") + bytes(6) + b"\x08\x00"
SOURCE, DESTINATION = bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])


class Probe:
    """Two sockets at one interface."""

    def __init__(self, interface: str, port: int):
        self.interface = interface
        self._port = port
        self._out = _socket(interface, 0)
        self._tap = _socket(interface, ALL)

    async def trips(self, patience: float) -> list[float]:
        """Return the ascending seconds each frame took to leave; one that took `patience` is lost.

        Raises TimeoutError if more than half are.
        """
        sent: dict[bytes, float] = {}
        taken: list[float] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FRAMES * STAGGER + patience), asyncio.TaskGroup() as group:
                group.create_task(self._send(sent))
                group.create_task(self._receive(sent, taken))
        if len(taken) < FRAMES / 2:
            raise TimeoutError(f"of {FRAMES} frames {len(taken)} left {self.interface}")
        return sorted(taken)

    def close(self) -> None:
        """Close the sockets."""
        self._out.close()
        self._tap.close()

    async def _send(self, sent: dict[bytes, float]) -> None:
        for number in range(FRAMES):
            each = frame(self._port, number)
            sent[each] = time.perf_counter()
            self._out.send(each)
            await asyncio.sleep(STAGGER)

    async def _receive(self, sent: dict[bytes, float], taken: list[float]) -> None:
        loop = asyncio.get_running_loop()
        while len(taken) < FRAMES:
            begun = sent.pop(await loop.sock_recv(self._tap, 2048), None)
            if begun is not None:
                taken.append(time.perf_counter() - begun)


def frame(port: int, number: int) -> bytes:
    """Return an Ethernet frame of an empty TCP segment from `port`; nobody looks at its checksums."""
    tcp = struct.pack("!HHIIHHHH", port, 9, number, 0, 5 << 12, 0, 0, 0)
    return NOBODY + struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), number, 0, 1, 6, 0) + SOURCE + DESTINATION + tcp


def _socket(interface: str, protocol: int) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    made.bind((interface, protocol))
    return made
