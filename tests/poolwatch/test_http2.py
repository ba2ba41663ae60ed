"""A client that speaks HTTP/2: connections counted as connections, requests as requests, each at its own time."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest

import poolwatch
from poolwatch.counters import Counters
from poolwatch.monitor import Monitor
from poolwatch.phases import Phase
from support.eventually import eventually
from support.h2_upstream import Stream, h2_upstream, make_authority, ok

LIBRARIES = [httpx, httpx2]


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_authority(tmp_path_factory.mktemp("ca"))


def over_h2(library: Any, ca: Path) -> Any:
    context = ssl.create_default_context(cafile=str(ca / "ca.pem"))
    return library.AsyncClient(http2=True, verify=context, timeout=5, trust_env=False)


@pytest.mark.parametrize("library", LIBRARIES)
async def test_many_requests_hold_one_connection(library: Any, ca: Path) -> None:
    go = asyncio.Event()

    async def script(stream: Stream) -> None:
        await go.wait()
        await ok(stream)

    async with asyncio.timeout(10), h2_upstream(ca, script) as upstream, over_h2(library, ca) as client:
        watch = poolwatch.observe(client)
        go.set()
        await client.get(upstream.url)
        go.clear()
        calls = [asyncio.create_task(client.get(upstream.url)) for _ in range(20)]
        await eventually(lambda: watch.snapshot()["active"] == 20)
        busy = watch.snapshot()
        assert [busy[name] for name in ("total", "idle", "waiting", "opened")] == [1, 0, 0, 1]
        (connection,) = watch.connections.open
        assert (connection.active, connection.requests, connection.multiplexed) == (20, 21, True)
        go.set()
        await asyncio.gather(*calls)
        done = watch.snapshot()
        assert [done[name] for name in ("active", "idle", "total", "reused", "requests")] == [0, 1, 1, 20, 21]
        assert connection.active == 0
    ended = watch.snapshot()
    assert (ended["total"], ended["closed"]) == (0, 1)


@pytest.mark.parametrize("library", LIBRARIES)
async def test_one_that_is_given_up_is_counted_once(library: Any, ca: Path) -> None:
    async def script(stream: Stream) -> None:
        await stream.head()
        await stream.send(b"x" * 100_000)
        await stream.reset.wait()

    async with asyncio.timeout(10), h2_upstream(ca, script) as upstream, over_h2(library, ca) as client:
        watch = poolwatch.observe(client)
        async with client.stream("GET", upstream.url) as response:
            await anext(response.aiter_raw())
        (connection,) = watch.connections.open
        assert (connection.active, connection.requests) == (0, 1)
        assert (watch.snapshot()["active"], watch.snapshot()["hold_ms"]["count"]) == (0, 1)


@pytest.mark.parametrize("library", LIBRARIES)
async def test_what_is_written_while_an_answer_is_awaited_is_not_the_request(library: Any, ca: Path) -> None:
    """The task that waits acknowledges settings and opens windows meanwhile."""

    async def script(stream: Stream) -> None:
        await stream.body()  # the wait begins when all of the request is there
        await asyncio.sleep(0.1)
        await stream.head(200, ("content-length", "2"))
        await stream.send(b"ok", end=True)

    outer = Monitor(Counters())
    async with asyncio.timeout(10), h2_upstream(ca, script) as upstream, over_h2(library, ca) as client:
        poolwatch.observe(client)
        for _ in range(2):
            with outer.trace() as trace:
                trace.admitted()
                await client.post(upstream.url, content=b"abc")
            assert trace.times.spent_ns[Phase.UPSTREAM] >= 99e6
