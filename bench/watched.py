"""Requests a second of an httpx.AsyncClient at 64 connections: watched by poolwatch against unwatched.

    python bench/watched.py [TURNS] [REQUESTS]

The upstream is a process of its own. Short turns of two clients that stay open alternate, so that both meet the same
machine. One process does nothing else: requests a second are those of its CPU time. On a busy machine that varies too,
by what others do to the caches: compared are the quarter of each client's turns that were fastest; 0.95 at least.
"""

import asyncio
import multiprocessing
import statistics
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "poolwatch/src"))

import httpx

import poolwatch

CONNECTIONS, LEAST = 64, 0.95


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def upstream(pipe: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


async def turn(client: httpx.AsyncClient, url: str, requests: int) -> float:
    """Return CPU seconds a request."""
    left = iter(range(requests))

    async def user() -> None:
        for _ in left:
            (await client.get(url)).raise_for_status()

    began = time.process_time()
    await asyncio.gather(*(user() for _ in range(CONNECTIONS)))
    return (time.process_time() - began) / requests


async def compared(url: str, turns: int, requests: int) -> float:
    """Print both rates and return their ratio."""
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with (
        httpx.AsyncClient(limits=limits, timeout=60, trust_env=False) as plain,
        httpx.AsyncClient(limits=limits, timeout=60, trust_env=False) as watched,
    ):
        poolwatch.observe(watched)
        taken: dict[httpx.AsyncClient, list[float]] = {plain: [], watched: []}
        for client in (plain, watched):
            await turn(client, url, requests)  # connections, imports and caches
        for number in range(turns):
            for client in (plain, watched) if number % 2 else (watched, plain):
                taken[client].append(await turn(client, url, requests))
    without, with_it = (sorted(each)[: max(turns // 4, 1)] for each in taken.values())
    rates = [1 / statistics.mean(each) for each in (without, with_it)]
    print(f"unwatched {rates[0]:.0f}/s   watched {rates[1]:.0f}/s of CPU time   ratio {rates[1] / rates[0]:.3f}")
    return rates[1] / rates[0]


def main(turns: int = 80, requests: int = 128) -> int:
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=upstream, args=(theirs,), daemon=True)
    server.start()
    ratio = asyncio.run(compared(f"http://127.0.0.1:{ours.recv()}/", turns, requests))
    server.terminate()
    print("ok" if ratio >= LEAST else f"below {LEAST}")
    return 0 if ratio >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
