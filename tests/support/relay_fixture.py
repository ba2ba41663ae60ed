"""A relay in this process before an upstream in this process, on real sockets, and the cost of requests through it."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from link.model import Conditions
from link.relay import Relay

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def sized(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each line, a number, with that many bytes."""
    with suppress(ConnectionError):
        while line := await reader.readline():
            writer.write(b"x" * int(line))
            await writer.drain()
    writer.close()


@asynccontextmanager
async def relayed(conditions: Conditions, handler: Handler = sized) -> AsyncIterator[tuple[Relay, tuple[str, int]]]:
    """Give a relay before an upstream with this handler, and the relay's address."""
    upstream = await asyncio.start_server(handler, "127.0.0.1", 0, backlog=1024)
    async with before(conditions, upstream.sockets[0].getsockname()) as (relay, address):
        yield relay, address
    upstream.close()


@asynccontextmanager
async def before(conditions: Conditions, upstream: tuple[str, int]) -> AsyncIterator[tuple[Relay, tuple[str, int]]]:
    """Give a relay before an address."""
    listener = socket.create_server(("127.0.0.1", 0))
    relay = Relay(conditions, listener, upstream, seed=1)
    await relay.start()
    try:
        yield relay, listener.getsockname()
    finally:
        await relay.stop()


async def ask(address: tuple[str, int], *sizes: int, rest: float = 0.0) -> list[float]:
    """Return the seconds each request took on one new connection, the first from before connect()."""
    begin = time.perf_counter()
    reader, writer = await asyncio.open_connection(*address)
    taken = []
    try:
        for size in sizes:
            writer.write(b"%d\n" % size)
            await reader.readexactly(size)
            taken.append(time.perf_counter() - begin)
            await asyncio.sleep(rest)
            begin = time.perf_counter()
    finally:
        writer.close()
    return taken
