"""How long looking up names takes: client libraries do it within connecting, by the event loop's `getaddrinfo`."""

import asyncio
from collections.abc import Iterator, MutableSequence
from contextlib import contextmanager
from time import perf_counter_ns
from typing import Any

from poolwatch.counters import Cell


@contextmanager
def timed_lookups(loop: asyncio.AbstractEventLoop, cells: MutableSequence[int]) -> Iterator[None]:
    """Count the loop's lookups and their time. Those of threads (`def` endpoints) don't come by here."""
    look_up = loop.getaddrinfo
    counting = True

    async def timed(*args: Any, **options: Any) -> Any:
        began_ns = perf_counter_ns()
        try:
            return await look_up(*args, **options)
        finally:
            if counting:  # apps of one loop may end in any order: another one's lookups still pass through here
                cells[Cell.LOOKUPS] += 1
                cells[Cell.LOOKUP_NS] += perf_counter_ns() - began_ns

    loop.getaddrinfo = timed  # type: ignore[method-assign]
    try:
        yield
    finally:
        counting = False
        if loop.getaddrinfo is timed:
            loop.getaddrinfo = look_up  # type: ignore[method-assign]
