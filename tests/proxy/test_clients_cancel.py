import asyncio
import importlib
import logging
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import pytest

from poolwatch.counters import Cell
from proxy.clients.lost_slots import lost_slots
from proxy.errors import ProxyError
from support.client_fixture import COUNTED, NAMES, QUEUES, Direct, direct
from support.eventually import eventually
from support.raw_http import Exchange, RawUpstream, answer_ok, raw_upstream

SLOTS = 10
SETTINGS: dict[str, Any] = {"max_connections": SLOTS, "max_keepalive_connections": SLOTS, "read_timeout_seconds": 1}


async def soon(exchange: Exchange) -> None:
    await asyncio.sleep(0.002)
    await answer_ok(exchange)


async def storm(proxy: Direct, cancels: int, by: str) -> None:
    """Cancel that many requests, half of them very soon, with three times as many going as there are slots."""
    chance = random.Random(3)
    cancelled = 0

    async def scoped(scope: anyio.CancelScope) -> None:
        with scope:
            await proxy.send()

    async def user() -> None:
        nonlocal cancelled
        while cancelled < cancels:
            scope = anyio.CancelScope()
            task = asyncio.create_task(scoped(scope))
            await asyncio.sleep(chance.uniform(0, chance.choice((0.004, 0.04))))
            if not task.done():
                cancelled += 1
                scope.cancel() if by == "scope" else task.cancel()
            with suppress(asyncio.CancelledError, ProxyError):
                await task

    await asyncio.gather(*[user() for _ in range(3 * SLOTS)])


@pytest.mark.parametrize("by", ["task", "scope"])
@pytest.mark.parametrize("name", NAMES)
async def test_behind_the_gate_hundreds_of_cancellations_lose_no_slot(name: str, by: str) -> None:
    """At any moment, by either kind of cancellation: then every slot is free and works."""

    async with raw_upstream(soon) as upstream, direct(upstream.url, name, "gate", **SETTINGS) as proxy:
        await storm(proxy, 400, by)
        await eventually(lambda: proxy.free == SLOTS)
        async with asyncio.timeout(2):
            answers = await asyncio.gather(*[proxy.send() for _ in range(SLOTS)])
        assert [answer[2] for answer in answers] == [b"ok"] * SLOTS
        assert proxy.client.loss() is None
        assert proxy.gated.abandoned == 0
        for gauge in (Cell.WAITING, Cell.ACTIVE, Cell.CONNECTING):
            assert proxy.cell(gauge) == 0
        assert upstream.connections - upstream.closed <= SLOTS


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("name", COUNTED)
async def test_a_cancelled_request_is_ended_at_the_upstream_at_once(name: str, queue: str) -> None:
    """Before the head and in the body: its connection is closed and its slot serves the next."""

    async def script(exchange: Exchange) -> None:
        if exchange.request_line.startswith(b"GET /body"):
            await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        if exchange.request_line.startswith(b"GET /ok"):
            await answer_ok(exchange)
        else:
            await exchange.reader.read()

    settings = SETTINGS | {"max_connections": 1, "max_keepalive_connections": 1}
    async with raw_upstream(script) as upstream, direct(upstream.url, name, queue, **settings) as proxy:
        for number, target in enumerate((b"/head", b"/body"), start=1):
            scope = anyio.CancelScope()
            begun = len(upstream.exchanges)
            async with asyncio.TaskGroup() as group:
                group.create_task(_within(scope, proxy, target))
                await eventually(partial(_begun, upstream, begun + 1))
                await asyncio.sleep(0.02)
                scope.cancel()
            await eventually(partial(_closed, upstream, number), within=1)
        assert (await proxy.send(b"/ok"))[2] == b"ok"
        await eventually(lambda: proxy.cell(Cell.OPENED) - proxy.cell(Cell.CLOSED) == 1)


def _begun(upstream: RawUpstream, count: int) -> bool:
    return len(upstream.exchanges) >= count


def _closed(upstream: RawUpstream, count: int) -> bool:
    return upstream.closed == count


async def _within(scope: anyio.CancelScope, proxy: Direct, target: bytes) -> None:
    with scope:
        await proxy.send(target)


async def test_pyreqwest_keeps_the_slot_of_an_abandoned_request_until_the_library_lets_go() -> None:
    """It is counted meanwhile, and the slot is free after the read time-out; a second request waits for it."""

    async def script(exchange: Exchange) -> None:
        if exchange.request_line.startswith(b"GET /ok"):
            await answer_ok(exchange)
        else:
            await exchange.reader.read()

    settings: dict[str, Any] = {"max_connections": 1, "read_timeout_seconds": 0.4}
    async with raw_upstream(script) as upstream, direct(upstream.url, "pyreqwest", "gate", **settings) as proxy:
        task = asyncio.create_task(proxy.send())
        await eventually(lambda: len(upstream.exchanges) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (proxy.gated.abandoned, proxy.free, proxy.cell(Cell.ACTIVE)) == (1, 0, 0)
        assert (await proxy.send(b"/ok"))[2] == b"ok"
        assert (proxy.gated.abandoned, proxy.free, upstream.closed) == (0, 1, 1)


async def test_a_body_that_nobody_waits_for_is_not_sent_on() -> None:
    """pyreqwest goes on with an upload that was cancelled: the next piece it asks for is an error."""

    async def body() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.01)
            yield b"piece"

    async with (
        raw_upstream() as upstream,
        direct(upstream.url, "pyreqwest", "gate", max_connections=1, read_timeout_seconds=30) as proxy,
    ):
        headers = (b"transfer-encoding", b"chunked")
        task = asyncio.create_task(proxy.send(b"/", headers, method="POST", body=body()))
        await eventually(lambda: upstream.connections == 1)
        await asyncio.sleep(0.05)
        task.cancel()
        await eventually(lambda: proxy.free == 1 and upstream.closed == 1, within=1)
        assert upstream.exchanges == []


async def test_httpx_without_the_gate_loses_its_pool_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """httpcore issue 1093: the proxy names it at once, in the log and to those that ask, before any time-out."""

    settings = SETTINGS | {"pool_timeout_seconds": 0.2}
    async with raw_upstream(soon) as upstream, direct(upstream.url, "httpx", **settings) as proxy:
        assert proxy.client.loss() is None
        loss = None
        for _ in range(5):
            await storm(proxy, 300, "task")
            loss = proxy.client.loss()
            if loss is not None and loss.is_total:
                break
        assert loss is not None
        assert f"{SLOTS} of the {SLOTS} connections of httpx's pool" in loss.sentence
        logged = [record for record in caplog.records if f"{SLOTS} of the {SLOTS}" in record.message]
        assert [record.levelno for record in logged] == [logging.ERROR]
        with pytest.raises(ProxyError) as raised:
            await proxy.send()
        assert raised.value.code == "pool_exhausted"


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
async def test_a_pool_that_is_only_full_is_not_called_wedged(name: str) -> None:
    """Every slot held by a request, others waiting in vain for longer than the pool time-out."""

    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(0.5)
        await answer_ok(exchange)

    settings: dict[str, Any] = {"max_connections": 2, "pool_timeout_seconds": 0.1}
    async with raw_upstream(script) as upstream, direct(upstream.url, name, **settings) as proxy:
        tasks = [asyncio.create_task(proxy.send()) for _ in range(4)]
        for _ in range(4):
            await asyncio.sleep(0.1)
            assert proxy.client.loss() is None
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(outcome, ProxyError) for outcome in outcomes) == 2


@pytest.mark.parametrize("name", ["httpx", "httpx2", "httpcore"])
async def test_a_sound_pool_never_looks_as_if_it_had_lost_a_slot(name: str) -> None:
    """Looked at in every turn of the loop: while requests wait, connect, are answered, cut, and left half read."""
    chance = random.Random(5)

    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(chance.uniform(0, 0.004))
        if chance.random() < 0.2:
            exchange.writer.close()
        else:
            await answer_ok(exchange)

    def half_read(_: bytes) -> None:
        if chance.random() < 0.2:
            raise KeyError

    async with raw_upstream(script) as upstream, direct(upstream.url, name, **SETTINGS) as proxy:

        async def user() -> None:
            for _ in range(8):
                with suppress(ProxyError, KeyError):
                    await proxy.send(on_chunk=half_read)

        users = asyncio.gather(*[user() for _ in range(3 * SLOTS)])
        while not users.done():
            assert proxy.client.loss() is None
            await asyncio.sleep(0)
        await users
        assert proxy.client.loss() is None


@dataclass
class FakeConnection:
    """A connection of httpcore's that is in one state."""

    state: str

    def is_available(self) -> bool:
        return self.state == "available"

    def is_idle(self) -> bool:
        return self.state == "idle"

    def is_closed(self) -> bool:
        return self.state == "closed"


@dataclass
class FakePool:
    """What is asked of a pool of httpcore's."""

    connections: list[FakeConnection]
    queued: int

    def __repr__(self) -> str:
        return f"<AsyncConnectionPool [Requests: 0 active, {self.queued} queued | Connections: 0 active, 0 idle]>"


@pytest.mark.parametrize(
    ("states", "queued", "calls", "lost"),
    [
        ("active " * 10, 0, 0, 10),
        ("active " * 10, 3, 13, 0),
        ("active " * 10, 5, 6, 9),
        ("idle idle", 0, 0, 0),
        ("closed available active", 0, 0, 1),
    ],
)
def test_lost_slots_are_those_that_no_call_has(states: str, queued: int, calls: int, lost: int) -> None:
    """What is in use, less the calls that do not wait. A closed connection, or one with room for a stream, is not."""
    assert lost_slots(FakePool([FakeConnection(state) for state in states.split()], queued), calls) == lost


@pytest.mark.parametrize("core", ["httpcore", "httpcore2"])
def test_the_pools_still_tell_how_many_requests_wait(core: str) -> None:
    pool = importlib.import_module(core).AsyncConnectionPool()
    assert "[Requests: 0 active, 0 queued | Connections: 0 active, 0 idle]" in repr(pool)
