"""Every fault of the table, many times, with each client: does each request end as expected, and in time?

    python -m soak.faults        (in tests/)

A proxy of its own for each fault and client, as a process; the upstream and the callers are raw sockets in this one.
Exit 1 if a request ended otherwise or late, or if a slot is still held five seconds afterwards.
"""

import argparse
import asyncio
import json
import sys
import time
import urllib.request
from collections import Counter
from typing import Any

from support.behaviours import CLIENTS
from support.faults import TIMEOUTS, Fault, faults, outcome_of
from support.servers import free_port, part

SLACK = 0.5
QUIET_SECONDS = 5.0


def arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", action="append", choices=CLIENTS, help="only this client (may be repeated)")
    parser.add_argument("--fault", action="append", help="only faults whose name holds this (may be repeated)")
    parser.add_argument("--requests", type=int, default=200, help="requests per fault with httpx (200)")
    parser.add_argument("--others", type=int, default=20, help="requests per fault with each other client (20)")
    parser.add_argument("--concurrency", type=int, default=20, help="requests at a time (20)")
    parser.add_argument("--queue", choices=("client", "gate"), default="client", help="PROXY_QUEUE (client)")
    return parser.parse_args()


async def trial(fault: Fault, client: str, count: int, options: argparse.Namespace) -> tuple[bool, str]:
    """Return whether all went well, and a cell of the table."""
    port = free_port()
    settings = TIMEOUTS | {"max_connections": options.concurrency} | fault.settings
    variables = {f"PROXY_{name.upper()}": value for name, value in settings.items()}
    async with fault.upstream(fault.script) as upstream:
        ready = f"http://127.0.0.1:{port}/-/healthy"
        opened = part(
            "proxy",
            ready,
            PROXY_PORT=port,
            PROXY_UPSTREAM_URL=upstream.url,
            PROXY_CLIENT=client,
            PROXY_QUEUE=options.queue,
            **variables,
        )
        running = await asyncio.to_thread(opened.__enter__)
        try:
            assert running.process.stderr is not None
            errors = asyncio.create_task(asyncio.to_thread(running.process.stderr.read))  # a full pipe would stop it
            outcomes, longest = await load(port, fault, count, options.concurrency)
            held = await held_slots(port)
        finally:
            running.process.terminate()
            await errors
            await asyncio.to_thread(opened.__exit__, None, None, None)
    expected = fault.expected(client)
    wrong = {outcome: times for outcome, times in outcomes.items() if outcome not in expected}
    late = longest > fault.seconds + SLACK
    fine = not wrong and expected[0] in outcomes and not late and held == 0
    shown = ", ".join(f"{times} {outcome}" for outcome, times in outcomes.most_common())
    marks = [mark for mark, holds in (("WRONG", wrong), ("LATE", late), (f"HELD {held}", held)) if holds]
    return fine, f"{shown}; longest {longest:.2f} s {' '.join(marks)}".rstrip()


async def load(port: int, fault: Fault, count: int, concurrency: int) -> tuple[Counter[str], float]:
    """Return how often which outcome was seen, and the longest time a request took."""
    turns = asyncio.Semaphore(concurrency)
    outcomes: Counter[str] = Counter()
    longest = 0.0

    async def one() -> None:
        nonlocal longest
        async with turns:
            began = time.monotonic()
            outcomes[await outcome_of(port, fault, timeout=40)] += 1
            longest = max(longest, time.monotonic() - began)

    await asyncio.gather(*[one() for _ in range(count)])
    return outcomes, longest


async def held_slots(port: int) -> int:
    """Return how many slots are held (or requests in flight) when the time for that is over."""
    deadline = time.monotonic() + QUIET_SECONDS
    while True:
        pool = await asyncio.to_thread(read_pool, port)
        held = max(pool["active"], pool["waiting"], pool["requests"]["in_flight"], pool.get("abandoned") or 0)
        if held == 0 or time.monotonic() > deadline:
            return int(held)
        await asyncio.sleep(0.1)


def read_pool(port: int) -> dict[str, Any]:
    """Return /-/pool."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/pool", timeout=10) as answer:
        pool: dict[str, Any] = json.load(answer)
    return pool


async def main() -> int:
    """Run all of it and print the table as it comes."""
    options = arguments()
    failed = 0
    for fault in faults():
        if options.fault and not any(wanted in fault.name for wanted in options.fault):
            continue
        sys.stdout.write(f"{fault.name}\n")
        for client in options.client or CLIENTS:
            count = options.requests if client == "httpx" else options.others
            fine, cell = await trial(fault, client, count, options)
            failed += not fine
            sys.stdout.write(f"  {client:9} {'ok ' if fine else 'NOT'} {cell}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{failed} of the trials fell short\n" if failed else "all as expected\n")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
