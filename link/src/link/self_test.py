"""The self-test: opens sockets through the engine and times them, so that `/-/config` shows configured and measured."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from service_kit.histogram import quantile

CONNECTIONS = 10
STAGGER = 0.005
"""Seconds between the connections: they overlap, so that a slow link is measured soon too, but do not collide."""

GIVE_UP_AFTER = 30.0


@dataclass(frozen=True)
class SelfTest:
    """Seconds of every connection's handshake, of handshake and first request, and of a later request, ascending."""

    connect: list[float]
    fresh: list[float]
    warm: list[float]

    def summary_ms(self) -> dict[str, Any]:
        """Return median and count of each in milliseconds, as `/-/config` shows them."""
        named = {"connect_ms": self.connect, "fresh_request_ms": self.fresh, "warm_request_ms": self.warm}
        return {name: {"p50": median_ms(values), "n": len(values)} for name, values in named.items()}


def median_ms(ascending: list[float]) -> float:
    """Return the nearest-rank median of seconds in milliseconds, to three decimals; 0 of none."""
    return round(1e3 * (quantile(ascending, 0.5) or 0.0), 3)


async def measure(host: str, port: int) -> SelfTest:
    """Time ten connections with two small requests each to an echo service behind the engine.

    Raises TimeoutError or OSError when the engine lets nothing through.
    """
    async with asyncio.timeout(GIVE_UP_AFTER):
        rounds = await asyncio.gather(*(_round(host, port, STAGGER * index) for index in range(CONNECTIONS)))
    connect, fresh, warm = (sorted(values) for values in zip(*rounds, strict=True))
    return SelfTest(connect, fresh, warm)


@asynccontextmanager
async def echo(listener: socket.socket) -> AsyncIterator[None]:
    """Serve an echo on a bound socket, which is closed in the end."""
    server = await asyncio.get_running_loop().create_server(_Echo, sock=listener)
    try:
        yield
    finally:
        server.close()


async def _round(host: str, port: int, wait: float) -> tuple[float, float, float]:
    await asyncio.sleep(wait)
    begin = time.perf_counter()
    reader, writer = await asyncio.open_connection(host, port)
    connected = time.perf_counter()
    try:
        await _request(reader, writer)
        first = time.perf_counter()
        await _request(reader, writer)
        return connected - begin, first - begin, time.perf_counter() - first
    finally:
        writer.close()


async def _request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"x")
    await reader.readexactly(1)


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)
