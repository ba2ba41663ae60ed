"""Does the proxy hold what its callers or its upstream do not take? Downloads to readers that stall, uploads likewise.

    python -m soak.memory        (in tests/)

Each side reads nothing for a while and then at a bounded rate; meanwhile the resident memory of the proxy's process is
looked at. Exit 1 if it grows by more than the bound.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from support.behaviours import CLIENTS
from support.raw_http import Exchange, get, raw_upstream, roundtrip
from support.servers import free_port, part

PIECE = bytes(65_536)
MIB = 1 << 20


def arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", action="append", choices=CLIENTS, help="only this client (may be repeated)")
    parser.add_argument("--mib", type=int, default=256, help="size of each body in MiB (256)")
    parser.add_argument("--streams", type=int, default=4, help="bodies at a time (4)")
    parser.add_argument("--stall", type=float, default=5.0, help="seconds without a read (5)")
    parser.add_argument("--rate", type=float, default=50.0, help="MiB/s of each reader afterwards (50)")
    parser.add_argument("--bound", type=float, default=64.0, help="MiB by which the proxy may grow (64)")
    return parser.parse_args()


async def read_slowly(reader: asyncio.StreamReader, size: int, options: argparse.Namespace) -> None:
    """Stall, then read a body at the rate."""
    await asyncio.sleep(options.stall)
    began, taken = time.monotonic(), 0
    while taken < size:
        data = await reader.read(262_144)
        if not data:
            raise AssertionError(f"the body ended after {taken} of {size} bytes")
        taken += len(data)
        ahead = taken / (options.rate * MIB) - (time.monotonic() - began)
        if ahead > 0:
            await asyncio.sleep(ahead)


async def download(port: int, options: argparse.Namespace) -> None:
    """Take one body from the proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=65_536)
    writer.write(get())
    await reader.readuntil(b"\r\n\r\n")
    await read_slowly(reader, options.mib * MIB, options)
    writer.close()


async def upload(port: int, options: argparse.Namespace) -> None:
    """Give one body to the proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(get("/", f"Content-Length: {options.mib * MIB}", method="POST"))
    for _ in range(options.mib * 16):
        writer.write(PIECE)
        await writer.drain()
    answer = await reader.read()
    if not answer.startswith(b"HTTP/1.1 200"):
        raise AssertionError(answer[:80])
    writer.close()


def upstream_script(options: argparse.Namespace) -> Any:
    """Return an upstream that sends a body for a GET, and takes one slowly for a POST."""

    async def script(exchange: Exchange) -> None:
        if exchange.request_line.startswith(b"POST"):
            await read_slowly(exchange.reader, options.mib * MIB, options)
            await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            return
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (options.mib * MIB))
        for _ in range(options.mib * 16):
            await exchange.send(PIECE)

    return script


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


async def watch(pid: int, seen: list[float]) -> None:
    """Note the memory ten times a second."""
    while True:
        seen.append(resident_mib(pid))
        await asyncio.sleep(0.1)


async def trial(client: str, options: argparse.Namespace) -> bool:
    """Run downloads, then uploads, with one client. Returns whether the proxy stayed small."""
    port = free_port()
    async with raw_upstream(upstream_script(options), reads_body=False) as upstream:
        opened = part(
            "proxy",
            f"http://127.0.0.1:{port}/-/healthy",
            PROXY_PORT=port,
            PROXY_UPSTREAM_URL=upstream.url,
            PROXY_CLIENT=client,
            PROXY_READ_TIMEOUT_SECONDS=120,
            PROXY_WRITE_TIMEOUT_SECONDS=60,
        )
        running = await asyncio.to_thread(opened.__enter__)
        fine = True
        try:
            await asyncio.gather(*[roundtrip(port, get("/-/pool")) for _ in range(8)])
            for name, one in (("downloads", download), ("uploads", upload)):
                before = resident_mib(running.process.pid)
                seen = [before]
                watching = asyncio.create_task(watch(running.process.pid, seen))
                began = time.monotonic()
                await asyncio.gather(*[one(port, options) for _ in range(options.streams)])
                watching.cancel()
                grown = max(seen) - before
                fine = fine and grown < options.bound
                sys.stdout.write(
                    f"{client:9} {name:9} {'ok ' if grown < options.bound else 'NOT'} before {before:6.1f} MiB, "
                    f"grown by {grown:6.1f} MiB at most, {seen[-1] - before:6.1f} at the end, "
                    f"{time.monotonic() - began:.0f} s\n"
                )
                sys.stdout.flush()
        finally:
            await asyncio.to_thread(opened.__exit__, None, None, None)
    return fine


async def main() -> int:
    """Run it with each client."""
    options = arguments()
    results = [await trial(client, options) for client in options.client or CLIENTS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
