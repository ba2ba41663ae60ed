import asyncio

import pytest

from support.behaviours import CLIENTS
from support.eventually import eventually
from support.odd_answers import ODD, TAKEN, seen_by_caller
from support.raw_http import Exchange, answer_ok, raw_upstream
from support.servers import RunningProxy, running_proxy

NAMES = list(ODD)


async def script(exchange: Exchange) -> None:
    number = exchange.request_line.split()[1][1:]
    if number:
        await ODD[NAMES[int(number)]].send(exchange)
    else:
        await answer_ok(exchange)


async def nothing_is_held(proxy: RunningProxy) -> bool:
    pool = await proxy.pool()
    return bool(pool["active"] == pool["waiting"] == pool["requests"]["in_flight"] == 0)


@pytest.mark.parametrize("client", CLIENTS)
async def test_an_odd_answer_is_whole_or_an_error_and_leaves_no_slot(client: str) -> None:
    """Each on a connection of its own, ten at a time: nothing broken looks whole, and the code is the right one."""
    async with (
        raw_upstream(script) as upstream,
        running_proxy(
            upstream.url, client=client, max_connections=10, max_keepalive_connections=0, pool_timeout_seconds=30
        ) as proxy,
    ):
        seen = await asyncio.gather(*[seen_by_caller(proxy.port, f"/{i}", ODD[n].method) for i, n in enumerate(NAMES)])
        wrong = {name: word for name, word in zip(NAMES, seen, strict=True) if word not in ODD[name].expected(client)}
        assert wrong == {}
        await eventually(lambda: nothing_is_held(proxy))
        pool = await proxy.pool()
        assert pool["opened"] is None or pool["opened"] == pool["closed"] == len(NAMES)


@pytest.mark.parametrize("client", CLIENTS)
async def test_an_odd_answer_that_is_taken_is_not_the_next_requests(client: str) -> None:
    """On one connection, as far as it is kept."""
    kept = [i for i, name in enumerate(NAMES) if ODD[name].ending == "open" and TAKEN in ODD[name].expected(client)]
    async with raw_upstream(script) as upstream, running_proxy(upstream.url, client=client, max_connections=1) as proxy:
        for number in kept:
            assert await seen_by_caller(proxy.port, f"/{number}", ODD[NAMES[number]].method) == TAKEN, NAMES[number]
            assert await seen_by_caller(proxy.port, "/") == TAKEN, NAMES[number]
