"""A client that is called within a request which is followed already reports to that request's trace."""

import asyncio
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest

import poolwatch
from poolwatch.counters import Cell, Counters
from poolwatch.monitor import Monitor
from poolwatch.phases import Phase
from poolwatch.trace import RequestTrace
from support.raw_http import Exchange, raw_upstream


async def slowly(exchange: Exchange) -> None:
    await asyncio.sleep(0.02)
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def client_of(library: Any) -> Any:
    return aiohttp.ClientSession() if library is aiohttp else library.AsyncClient(trust_env=False)


def knows_its_way(trace: RequestTrace) -> bool:
    """Whether the time is where it belongs: with the connecting and the wait for the upstream."""
    spent = trace.times.spent_ns
    return spent[Phase.CONNECT] > 0 and spent[Phase.UPSTREAM] > 15e6 and spent[Phase.OTHER] == 0


@pytest.mark.parametrize("library", [httpx, httpx2, aiohttp])
async def test_an_outer_trace_is_joined(library: Any) -> None:
    outer = Monitor(Counters())
    async with raw_upstream(slowly) as upstream, client_of(library) as client:
        watch = poolwatch.observe(client)
        with outer.trace("GET", b"/outer") as trace:
            trace.admitted()
            await client.get(upstream.url)
            assert not trace.granted
            assert trace.times.spent_ns[Phase.SEND] > 0
            assert knows_its_way(trace)
        assert (outer.cells[Cell.ACTIVE], outer.cells[Cell.WAITING], outer.cells[Cell.HOLD_COUNT]) == (0, 0, 1)
        assert (watch.snapshot()["requests"], watch.snapshot()["opened"]) == (0, 1)


@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_one_call_after_the_other_joins_it_and_one_beside_it_does_not(library: Any) -> None:
    outer = Monitor(Counters())
    async with raw_upstream(slowly) as upstream, client_of(library) as client:
        watch = poolwatch.observe(client)
        with outer.trace("GET", b"/outer") as trace:
            trace.admitted()
            await client.get(upstream.url)
            await client.get(upstream.url)
            assert outer.cells[Cell.HOLD_COUNT] == 2
            assert trace.kept
            assert trace.times.spent_ns[Phase.UPSTREAM] > 35e6
            await asyncio.gather(client.get(upstream.url), client.get(upstream.url))
        assert outer.cells[Cell.HOLD_COUNT] == 3
        assert watch.snapshot()["requests"] == 1
        now = watch.snapshot()
        assert (now["active"], now["waiting"], outer.cells[Cell.ACTIVE], outer.cells[Cell.WAITING]) == (0, 0, 0, 0)
        assert all(each.active == 0 for each in watch.connections.open)
