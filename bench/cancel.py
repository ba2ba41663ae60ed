"""Requests that are cancelled, by the thousand, on a small pool: does it still serve afterwards?

    python bench/cancel.py [--rounds 3] [--cancels 6000] [--side httpx/gate ...]

Each side is a client and where its requests wait: `httpx/gate` is PROXY_CLIENT=httpx with PROXY_QUEUE=gate. After the
storm 20 requests must succeed within 2 s. `httpx/client` is expected to fail (httpcore issue 1093), and to say so
itself. The upstream is a process of its own that ends with this one, or after ten minutes.
"""

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "proxy" / "src"))

import anyio

from poolwatch.monitor import Monitor
from poolwatch.worker_counters import WorkerCounters
from proxy.clients.interface import Client, Outbound
from proxy.clients.registry import build_client
from proxy.errors import CODES, ProxyError
from proxy.settings import Settings

POOL = 10
PROBES = 20
WITHIN_SECONDS = 2.0
LATENCY_SECONDS = 0.005
UPSTREAM_LIVES_SECONDS = 600
STORM_SECONDS = 120
SIDES = ["httpx/gate", "httpx2/gate", "aiohttp/gate", "pyreqwest/gate", "httpx/client"]
MUST_WEDGE = {"httpx/client"}


@dataclass
class Row:
    """What a side came to in one round."""

    cancelled: int
    answered: int
    reached: int
    abandoned: int
    served: int
    seconds: float
    wedged: str | None


class Answering(asyncio.Protocol):
    """A server that answers each request after a while, and counts them."""

    served = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Every head is a request: none of them has a body."""
        for target in data.split(b"\r\n\r\n")[:-1]:
            if b" /served " in target:
                self._answer(str(Answering.served).encode())
            else:
                Answering.served += 1
                asyncio.get_running_loop().call_later(LATENCY_SECONDS, self._answer, b"ok")

    def _answer(self, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


async def upstream() -> None:
    """Serve on a free port, say which, and end when whoever started this does."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    with suppress(TimeoutError):
        async with asyncio.timeout(UPSTREAM_LIVES_SECONDS):
            await loop.run_in_executor(None, sys.stdin.read)


async def one(client: Client, watch: Monitor, target: bytes = b"/") -> bytes:
    """Do one request as the forwarder does."""
    outbound = Outbound("GET", target, [(b"host", b"upstream.test")], has_body=False)
    with watch.trace() as trace:
        trace.admitted()
        answer = await client.send(outbound, None)
        try:
            return b"".join([chunk async for chunk in answer.body()])
        finally:
            with anyio.CancelScope(shield=True):
                await answer.aclose()


async def storm(client: Client, watch: Monitor, cancels: int, by: str) -> tuple[int, int]:
    """Keep four times as many requests going as there are connections, each cancelled after a random while.

    Half of them very soon, so that they are caught as they wait or connect; the others at any time up to the answer.
    """
    chance = random.Random(1)
    cancelled = answered = 0

    async def scoped(scope: anyio.CancelScope) -> None:
        with scope:
            await one(client, watch)

    async def user() -> None:
        nonlocal cancelled, answered
        while cancelled < cancels:
            scope = anyio.CancelScope()
            task = asyncio.create_task(scoped(scope))
            await asyncio.sleep(chance.uniform(0, chance.choice((0.01, 0.1))))
            if not task.done():
                cancelled += 1
                scope.cancel() if by == "scope" else task.cancel()
            else:
                answered += 1
            with suppress(asyncio.CancelledError, ProxyError):
                await task

    async with asyncio.timeout(STORM_SECONDS):
        await asyncio.gather(*[user() for _ in range(4 * POOL)])
    return cancelled, answered


async def probe(client: Client, watch: Monitor) -> tuple[int, float]:
    """Return how many of the requests succeed in time, and how long they take together."""
    began = time.perf_counter()

    async def succeeds() -> bool:
        try:
            async with asyncio.timeout(WITHIN_SECONDS):
                return await one(client, watch) == b"ok"
        except (TimeoutError, ProxyError):
            return False

    served = sum(await asyncio.gather(*[succeeds() for _ in range(PROBES)]))
    return served, time.perf_counter() - began


async def trial(side: str, url: str, cancels: int, by: str) -> Row:
    """One round of one side, on a pool of its own."""
    name, queue = side.split("/")
    settings = Settings(
        upstream_url=url,
        client=name,
        queue=queue,
        max_connections=POOL,
        max_keepalive_connections=POOL,
        pool_timeout_seconds=0.5,
        read_timeout_seconds=1.0,
    )
    with tempfile.TemporaryDirectory() as directory:
        counters = WorkerCounters(Path(directory), CODES)
        watch = Monitor(counters)
        client = build_client(settings, watch)
        before = await _served(url)
        cancelled, answered = await storm(client, watch, cancels, by)
        loss = client.loss()  # at once, and not when time-outs are over
        served, seconds = await probe(client, watch)
        row = Row(
            cancelled,
            answered,
            await _served(url) - before - served,
            getattr(client, "abandoned", 0),
            served,
            seconds,
            loss.sentence if loss is not None else None,
        )
        await client.aclose()
        counters.close()
    return row


async def _served(url: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
    writer.write(b"GET /served HTTP/1.1\r\nHost: x\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
    writer.close()
    return int(body)


async def rounds(sides: list[str], count: int, cancels: int, by: str, url: str) -> bool:
    """Run all sides by turns and print a line for each. Returns whether all came out as they should."""
    print(
        f"{cancels} requests cancelled by their {by} on a pool of {POOL}; then {PROBES} must succeed within "
        f"{WITHIN_SECONDS:g} s"
    )
    print(
        f"{'side':16} {'round':>5} {'cancelled':>9} {'answered':>8} {'reached upstream':>16} {'abandoned':>9} "
        f"{'served':>7} {'seconds':>7}  verdict"
    )
    good = True
    for number in range(1, count + 1):
        for side in sides:
            row = await trial(side, url, cancels, by)
            fine = row.served == PROBES and row.wedged is None
            expected = not fine and row.wedged is not None if side in MUST_WEDGE else fine
            good = good and expected
            verdict = "serves" if fine else f"does not serve; the proxy says: {row.wedged or 'nothing'}"
            print(
                f"{side:16} {number:5} {row.cancelled:9} {row.answered:8} {row.reached:16} {row.abandoned:9} "
                f"{row.served:4}/{PROBES} {row.seconds:7.2f}  {'as expected' if expected else 'UNEXPECTED'}: {verdict}",
                flush=True,
            )
    return good


def main() -> int:
    """Return 0 if every side came out as it should, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each side, by turns (3)")
    parser.add_argument("--cancels", type=int, default=6000, help="requests to cancel in a round (6000)")
    parser.add_argument("--side", action="append", metavar="CLIENT/QUEUE", help=f"one or several of {', '.join(SIDES)}")
    parser.add_argument(
        "--by", choices=["task", "scope"], default="task", help="asyncio's task.cancel() or an anyio scope (task)"
    )
    parser.add_argument("--upstream", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.upstream:
        asyncio.run(upstream())
        return 0
    server = subprocess.Popen(
        [sys.executable, __file__, "--upstream"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with server:
        assert server.stdout is not None
        assert server.stdin is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        try:
            good = asyncio.run(rounds(options.side or SIDES, options.rounds, options.cancels, options.by, url))
        finally:
            server.stdin.close()
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
