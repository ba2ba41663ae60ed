import asyncio
import json
import socket
from collections import Counter
from typing import Any

import pytest

from support.behaviours import Stand, behaviour
from support.eventually import eventually
from support.raw_http import Exchange, get, roundtrip, split
from support.servers import RunningProxy

pytestmark = pytest.mark.slow

QUEUES = ("client", "gate")
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 64000000\r\n\r\n"


async def ends(proxy: RunningProxy) -> Counter[tuple[str, str | None]]:
    """Return how the requests ended: outcome and code, by the ledger."""
    page: dict[str, Any] = json.loads(split(await roundtrip(proxy.port, get("/-/ledger?limit=50")))[2])
    return Counter((entry["outcome"], entry["code"]) for entry in page["entries"])


async def free(proxy: RunningProxy) -> bool:
    pool = await proxy.pool()
    return bool(pool["active"] == pool["abandoned"] == pool["requests"]["in_flight"] == 0)


async def stop_sending(port: int, upload: bytes) -> bytes:
    return await roundtrip(port, upload, timeout=5)


async def answers_or_sends_much(exchange: Exchange) -> None:
    if exchange.request_line.startswith(b"GET /much"):
        await exchange.send(LONG)
        for _ in range(1000):
            await exchange.send(bytes(64_000))
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@behaviour(43)
async def test_a_body_that_stops_is_408_and_frees_its_connection(stand: Stand) -> None:
    """Also where the client library's own read time-out comes first; twice as many as there are connections."""
    uploads = [
        get("/", "Content-Length: 100", method="POST") + bytes(10),
        get("/", "Transfer-Encoding: chunked", method="POST") + b"5\r\nfirst\r\n",
    ]
    for queue in QUEUES:
        async with stand.open(
            queue=queue,
            max_connections=2,
            request_buffer_bytes=0,
            caller_body_timeout_seconds=1.2,
            read_timeout_seconds=0.8,  # enough for the last request here, on a busy machine too
        ) as (upstream, proxy):
            for answer in await asyncio.gather(*[stop_sending(proxy.port, upload) for upload in uploads]):
                status, headers, _ = split(answer)
                assert (status, dict(headers)[b"x-proxy-error"]) == (408, b"caller_timeout")
            await eventually(lambda: free(proxy))
            assert upstream.exchanges == []
            assert split(await roundtrip(proxy.port, get()))[0] == 200
            assert await ends(proxy) == {("failed", "caller_timeout"): 2, ("answered", None): 1}


@behaviour(43)
async def test_more_callers_that_stop_than_connections_harm_no_other(stand: Stand) -> None:
    """A small body costs no connection before it is whole."""
    async with stand.open(max_connections=1, caller_body_timeout_seconds=0.3) as (upstream, proxy):
        upload = get("/", "Content-Length: 100", method="POST") + bytes(10)
        slow = [asyncio.create_task(stop_sending(proxy.port, upload)) for _ in range(5)]
        await asyncio.sleep(0.1)
        assert split(await roundtrip(proxy.port, get()))[0] == 200
        assert {split(answer)[0] for answer in await asyncio.gather(*slow)} == {408}
        assert len(upstream.exchanges) == upstream.connections == 1


@behaviour(43)
async def test_a_reader_that_takes_nothing_is_cut_and_frees_its_connection(stand: Stand) -> None:
    """The next request has it."""
    for queue in QUEUES:
        async with stand.open(
            answers_or_sends_much, queue=queue, max_connections=1, caller_write_timeout_seconds=0.3
        ) as (_, proxy):
            with socket.create_connection(("127.0.0.1", proxy.port)) as caller:
                caller.sendall(get("/much"))
                assert split(await roundtrip(proxy.port, get()))[0] == 200
            await eventually(lambda: free(proxy))
            assert await ends(proxy) == {("aborted", "caller_timeout"): 1, ("answered", None): 1}
