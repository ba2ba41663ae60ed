import asyncio
from typing import Any

import pytest

from support.behaviours import PARSERS, SIDES
from support.eventually import eventually
from support.faults import SECONDS, TIMEOUTS, Fault, faults, outcome_of
from support.servers import RunningProxy, running_proxy

TIMES = 3
PATIENCE_SECONDS = 10.0
PATIENT = dict.fromkeys(TIMEOUTS, PATIENCE_SECONDS)
"""Of all time-outs but the one that a fault is about: on a busy machine half a second goes by before a connect, too."""

ENDED_BY = {
    "upstream_connect_timeout": "connect_timeout_seconds",
    "upstream_read_timeout": "read_timeout_seconds",
    "upstream_write_timeout": "write_timeout_seconds",
}


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: fault.name)
async def test_a_fault_has_its_outcome_and_its_counter_and_leaves_nothing_behind(fault: Fault) -> None:
    """Several at a time with each side: each ends as the table says, is counted, and its slot is free."""

    sides = [(parser, client) for parser, clients in SIDES.items() for client in clients]
    all_started = asyncio.Barrier(len(sides))
    await asyncio.gather(*[_try(fault, *side, all_started) for side in sides])


async def _try(fault: Fault, parser: str, client: str, all_started: asyncio.Barrier) -> None:
    expected = fault.expected(client)
    short = {ENDED_BY[fault.code]: SECONDS} if fault.code in ENDED_BY else {}
    settings: dict[str, Any] = {"client": client, "http": PARSERS[parser], **PATIENT, **short, **fault.settings}
    async with fault.upstream(fault.script) as upstream, running_proxy(upstream.url, **settings) as proxy:
        await all_started.wait()  # a start of one side takes time of the same loop from another's time-outs
        outcomes = await asyncio.gather(*[outcome_of(proxy.port, fault) for _ in range(TIMES)])
        assert set(outcomes) <= set(expected), (client, outcomes)
        assert expected[0] in outcomes
        pool = await _settled(proxy)
        assert (pool["active"], pool["waiting"]) == (0, 0), client
        requests = pool["requests"]
        assert requests["received"] == TIMES
        assert requests["aborted"] == sum(outcome in ("cut", "gone") for outcome in outcomes), client
        assert requests["failed"] == sum(" " in outcome for outcome in outcomes), client
        counted = {code: count for code, count in pool["errors"].items() if count}
        assert sum(counted.values()) == requests["failed"] + outcomes.count("cut"), (client, counted)
        if fault.code and client not in fault.differs:
            assert set(counted) == {fault.code}, client


async def _settled(proxy: RunningProxy) -> dict[str, Any]:
    """Return the pool once nothing is in flight, long before a time-out that is not the fault's subject."""

    async def pool_at_rest() -> dict[str, Any] | None:
        pool = await proxy.pool()
        return pool if pool["requests"]["in_flight"] == pool["active"] == 0 else None

    found: dict[str, Any] | None = await eventually(pool_at_rest, within=PATIENCE_SECONDS / 2)
    assert found is not None
    return found
