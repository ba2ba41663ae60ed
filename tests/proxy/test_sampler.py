"""What the sampler notes of the requests that wait: for a slot, for the loop, or for a connection that is opened."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from poolwatch.counters import Cell
from poolwatch.monitor import Monitor
from poolwatch.worker_counters import WorkerCounters
from proxy.clients.lost_slots import Loss
from proxy.reconfigure import ReplaceableClient
from proxy.sampler import Sampler
from support.eventually import eventually

OPENING = [{"state": "connecting"}]


async def sampled(folder: Path, gauges: Mapping[Cell, int], *, lost: int = 0, http2: bool = False) -> list[int]:
    """Return the cells after some samples of a pool of ten; over HTTP/2 a connection is being opened."""
    counters = WorkerCounters(folder, ())
    for cell, value in gauges.items():
        counters.cells[cell] = value
    loss = Loss(lost, 10, "") if lost else None
    client = SimpleNamespace(loss=lambda: loss, http2=http2, connections=lambda: OPENING)
    pool = cast("ReplaceableClient", SimpleNamespace(client=client, max_connections=10))
    task = asyncio.create_task(Sampler(Monitor(counters), counters, pool, None, None).run())
    await eventually(lambda: counters.cells[Cell.WAITING_SAMPLED] > 0)
    task.cancel()
    cells = list(counters.cells)
    counters.close()
    return cells


@pytest.mark.parametrize(
    ("gauges", "more", "free", "opening"),
    [
        ({Cell.ACTIVE: 10}, {}, 0.0, 0.0),
        ({Cell.ACTIVE: 4}, {}, 0.6, 0.0),
        ({Cell.ACTIVE: 4}, {"lost": 6}, 0.0, 0.0),
        ({Cell.ACTIVE: 4}, {"lost": 3}, 0.3, 0.0),
        ({Cell.ACTIVE: 1}, {"http2": True}, 0.0, 1.0),
    ],
)
async def test_what_requests_wait_for(
    tmp_path: Path, gauges: dict[Cell, int], more: dict[str, Any], free: float, opening: float
) -> None:
    """Slots that the library has lost are not free; a connection that is being opened is what all wait for."""
    cells = await sampled(tmp_path, {Cell.WAITING: 5, **gauges}, **more)
    waiting = cells[Cell.WAITING_SAMPLED]
    assert cells[Cell.WAITING_FREE] == pytest.approx(free * waiting)
    assert cells[Cell.WAITING_OPENING] == pytest.approx(opening * waiting)
    assert cells[Cell.LOST] == more.get("lost", 0)
