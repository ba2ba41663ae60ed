"""Ordinary requests beside callers that are slow: does one of them fail, and is anything left over afterwards?

    python -m soak.slow_callers [--client httpx] [--queue gate] [--parser h11] [--callers 300] [--seconds 30]

So many callers of each kind at a time, on the default pool of 10: `head` sends a line each 5 s, `body` 10 bytes/s of
10 kB, `reader` takes 100 bytes/s of a 16 kB answer through a small receive buffer. One that is cut comes again. No
ordinary request may fail, and their p99 has to stay below 1 s. `--kind long` is shown only: readers of 64 MB hold their
connections until they are cut, so that ten of them are the whole pool.
"""

import argparse
import asyncio
import itertools
import json
import socket
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from support.behaviours import CLIENTS
from support.raw_http import Exchange, get, raw_upstream, roundtrip, split
from support.servers import free_port, part

KINDS: Final = ("head", "body", "reader")
ORDINARY_USERS: Final = 10
PAUSE_SECONDS: Final = 0.2
RAMP_SECONDS: Final = 5.0
"""The slow callers come one after the other: 300 readers at once are 300 requests at once, which is another subject."""

LATENCY_SECONDS: Final = 0.02
P99_SECONDS: Final = 1.0
GROWTH_MIB: Final = 64.0
SETTLED_WITHIN_SECONDS: Final = 20.0
PIECE: Final = bytes(64_000)


async def upstream(exchange: Exchange) -> None:
    """Answer after a moment, as long as the path says."""
    await asyncio.sleep(LATENCY_SECONDS)
    pieces = {b"/long": 1000, b"/16k": 0.25}.get(exchange.request_line.split()[1], 0)
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % int(pieces * len(PIECE)))
    if pieces == 0.25:
        await exchange.send(PIECE[:16_000])
    for _ in range(int(pieces)):
        await exchange.send(PIECE)


async def connected(port: int) -> socket.socket:
    """Return a socket that takes little ahead of its reader."""
    caller = socket.socket()
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    caller.setblocking(False)
    await asyncio.get_running_loop().sock_connect(caller, ("127.0.0.1", port))
    return caller


async def send_slowly(caller: socket.socket, begin: bytes, piece: bytes, seconds: float) -> None:
    """Send a piece each so many seconds until an answer or the end comes."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(caller, begin)
    answered = asyncio.ensure_future(loop.sock_recv(caller, 4096))
    try:
        while not answered.done():
            await loop.sock_sendall(caller, piece)
            await asyncio.wait([answered], timeout=seconds)
        await answered
    finally:
        answered.cancel()


async def head(caller: socket.socket) -> None:
    """Send a line each 5 s."""
    await send_slowly(caller, b"GET / HTTP/1.1\r\n", b"X-Line: 1\r\n", 5)


async def body(caller: socket.socket) -> None:
    """Send 10 bytes/s of 10 kB."""
    await send_slowly(caller, get("/", "Content-Length: 10240", method="POST"), bytes(10), 1)


async def read_slowly(caller: socket.socket, path: str) -> None:
    """Take 100 bytes/s."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(caller, get(path))
    while await loop.sock_recv(caller, 100):  # its pace, not a poll
        await asyncio.sleep(1)


async def reader(caller: socket.socket) -> None:
    """Take 100 bytes/s of 16 kB."""
    await read_slowly(caller, "/16k")


async def long(caller: socket.socket) -> None:
    """Take 100 bytes/s of 64 MB."""
    await read_slowly(caller, "/long")


CALLERS: Final[dict[str, Callable[[socket.socket], Awaitable[None]]]] = {
    "head": head,
    "body": body,
    "reader": reader,
    "long": long,
}


async def again_and_again(port: int, kind: str, after_seconds: float) -> None:
    """Be a caller of a kind, and come again after a cut."""
    await asyncio.sleep(after_seconds)
    while True:
        with suppress(ConnectionError), await connected(port) as caller:
            await CALLERS[kind](caller)
        await asyncio.sleep(0.1)


@dataclass
class Ordinary:
    """What became of the ordinary requests."""

    seconds: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)

    async def use(self, port: int, until: float) -> None:
        """Make one request after the other, a third of them with a body."""
        requests = itertools.cycle([get(), get("/16k"), get("/", "Content-Length: 2", method="POST") + b"hi"])
        while time.monotonic() < until:
            began = time.monotonic()
            try:
                status, headers, _ = split(await roundtrip(port, next(requests)))
                if status != 200:
                    self.failed[f"{status} {dict(headers).get(b'x-proxy-error', b'').decode()}"] += 1
            except (OSError, TimeoutError, IndexError) as error:
                self.failed[type(error).__name__] += 1
            self.seconds.append(time.monotonic() - began)
            await asyncio.sleep(PAUSE_SECONDS)


@dataclass(frozen=True)
class Held:
    """What the proxy's process has."""

    sockets: int
    mib: float

    @classmethod
    def of(cls, pid: int) -> "Held":
        """Look at a process."""
        sockets = 0
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                sockets += str(descriptor.readlink()).startswith("socket:")
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        return cls(sockets, next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS:")))


async def pool(port: int) -> dict[str, Any]:
    """Return `/-/pool`."""
    document: dict[str, Any] = json.loads(split(await roundtrip(port, get("/-/pool")))[2])
    return document


async def settled(port: int, pid: int, before: Held) -> tuple[list[str], Held]:
    """Wait until nothing is left over; return what is, and what the process has then."""
    deadline = time.monotonic() + SETTLED_WITHIN_SECONDS
    while True:
        found = await pool(port)
        now = Held.of(pid)
        figures = {name: found[name] for name in ("active", "waiting", "abandoned")}
        figures["in flight"] = found["requests"]["in_flight"]
        figures["sockets"] = max(0, now.sockets - before.sockets)
        left = [f"{count} {name}" for name, count in figures.items() if count]
        if not left or time.monotonic() > deadline:
            return left, now
        await asyncio.sleep(0.5)


async def storm(port: int, options: argparse.Namespace) -> Ordinary:
    """Let the slow callers come, then the ordinary ones beside them; end them all."""
    ramp = min(RAMP_SECONDS, options.seconds)
    slow = [
        asyncio.create_task(again_and_again(port, kind, ramp * number / options.callers))
        for kind in options.kind
        for number in range(options.callers)
    ]
    await asyncio.sleep(ramp)
    ordinary = Ordinary()
    until = time.monotonic() + options.seconds
    await asyncio.gather(*[ordinary.use(port, until) for _ in range(ORDINARY_USERS)])
    for task in slow:
        task.cancel()
    for task, ended in zip(slow, await asyncio.gather(*slow, return_exceptions=True), strict=True):
        assert task.cancelled(), ended
    return ordinary


async def trial(client: str, queue: str, parser: str, options: argparse.Namespace) -> bool:
    """Run one proxy; print its row and return whether all was well."""
    port = free_port()
    async with raw_upstream(upstream) as mock:
        opened = part(
            "proxy",
            f"http://127.0.0.1:{port}/-/healthy",
            PROXY_PORT=port,
            PROXY_UPSTREAM_URL=mock.url,
            PROXY_CLIENT=client,
            PROXY_QUEUE=queue,
            UVICORN_HTTP=parser,
            PROXY_REQUEST_BUFFER_BYTES=options.request_buffer_bytes,
        )
        process = (await asyncio.to_thread(opened.__enter__)).process
        try:
            await asyncio.gather(*[roundtrip(port, get()) for _ in range(20)])
            await asyncio.sleep(1)
            before = Held.of(process.pid)
            ordinary = await storm(port, options)
            left, after = await settled(port, process.pid, before)
            ended = (await pool(port))["errors"]["caller_timeout"]
        finally:
            await asyncio.to_thread(opened.__exit__, None, None, None)
    p50, p99 = (statistics.quantiles(ordinary.seconds, n=100)[at] for at in (49, 98))
    grown = after.mib - before.mib
    well = not (ordinary.failed or left) and p99 < P99_SECONDS and grown < GROWTH_MIB
    failed = ", ".join(f"{count} {name}" for name, count in ordinary.failed.most_common()) or "none"
    print(
        f"{client:9} {queue:6} {parser:9} {len(ordinary.seconds):8} {p50 * 1e3:7.0f} {p99 * 1e3:7.0f} {ended:13} "
        f"{grown:+7.1f}  {'ok ' if well else 'NOT'}  failed: {failed}; left over: {', '.join(left) or 'nothing'}",
        flush=True,
    )
    return well


def arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", action="append", choices=CLIENTS, help="only this client (may be repeated)")
    parser.add_argument("--queue", action="append", choices=["client", "gate"], help="only this queue")
    parser.add_argument("--parser", action="append", choices=["httptools", "h11"], help="only this parser of uvicorn's")
    parser.add_argument("--kind", action="append", choices=[*CALLERS], help="only callers of this kind")
    parser.add_argument("--callers", type=int, default=300, help="slow callers of each kind (300)")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long the ordinary requests go on (30)")
    parser.add_argument("--request-buffer-bytes", type=int, default=65_536, help="0: as in plain apps (65536)")
    options = parser.parse_args()
    options.kind = options.kind or list(KINDS)
    return options


async def main() -> int:
    """Run every proxy that was asked for; return 1 if one did not hold."""
    options = arguments()
    print(f"{options.callers} callers of each kind ({', '.join(options.kind)}) for {options.seconds:g} s")
    print(f"{'client':9} {'queue':6} {'parser':9} ordinary  p50 ms  p99 ms caller_timeout  MiB")
    sides = itertools.product(
        options.parser or ["httptools", "h11"], options.client or CLIENTS, options.queue or ["client", "gate"]
    )
    results = [await trial(client, queue, parser, options) for parser, client, queue in sides]
    return 0 if all(results) or options.kind == ["long"] else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
