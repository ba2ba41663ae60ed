"""Requests a second of an httpx.AsyncClient at 64 connections: watched by poolwatch against unwatched.

    python bench/watched.py [ROUNDS] [REQUESTS]

The upstream is a process of its own. Rounds are interleaved; the median of the rounds' ratios is to be 0.95 at least.
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


async def rate(url: str, requests: int, watched: bool) -> tuple[float, float]:
    """Return requests a second, and requests a second of CPU time: on a busy machine the steadier figure."""
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with httpx.AsyncClient(limits=limits, timeout=30, trust_env=False) as client:
        if watched:
            poolwatch.observe(client)
        left = iter(range(requests))

        async def user() -> None:
            for _ in left:
                (await client.get(url)).raise_for_status()

        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(user() for _ in range(CONNECTIONS)))
        return requests / (time.perf_counter() - began), requests / (time.process_time() - cpu)


def main(rounds: int = 9, requests: int = 1500) -> int:
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=upstream, args=(theirs,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ours.recv()}/"
    asyncio.run(rate(url, requests // 4, True))  # imports and caches
    ratios: list[float] = []
    cpu_ratios: list[float] = []
    for number in range(rounds):
        order = (False, True) if number % 2 else (True, False)
        rates = {watched: asyncio.run(rate(url, requests, watched)) for watched in order}
        (plain, plain_cpu), (seen, seen_cpu) = rates[False], rates[True]
        ratios.append(seen / plain)
        cpu_ratios.append(seen_cpu / plain_cpu)
        print(
            f"unwatched {plain:6.0f}/s   watched {seen:6.0f}/s   ratio {ratios[-1]:.3f}   by CPU {cpu_ratios[-1]:.3f}"
        )
    server.terminate()
    median = statistics.median(ratios)
    print(f"median ratio {median:.3f} (at least {LEAST}), by CPU time {statistics.median(cpu_ratios):.3f}")
    return 0 if median >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
