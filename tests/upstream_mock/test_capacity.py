"""Capacity: never more than N, first come first served, and no server is ever lost."""

import asyncio
import random
from collections.abc import Callable

import pytest

from upstream_mock.capacity import Capacity, QueueFullError
from upstream_mock.client import Client

pytestmark = pytest.mark.slow


async def test_never_more_than_n_and_in_order_of_arrival() -> None:
    """30 clients, 3 servers: at most 3 at work, and they get in as they came."""
    capacity, entered, most = Capacity(3), [], 0

    async def one(number: int) -> None:
        nonlocal most
        assert await capacity.enter(Client())
        entered.append(number)
        most = max(most, capacity.busy)
        await asyncio.sleep(0.001)
        capacity.leave()

    tasks = [asyncio.create_task(one(number)) for number in range(30)]
    await asyncio.sleep(0)
    assert (capacity.busy, capacity.waiting) == (3, 27)
    await asyncio.gather(*tasks)
    assert most == 3
    assert entered == list(range(30))
    assert (capacity.busy, capacity.waiting) == (0, 0)


async def test_no_limit() -> None:
    """Unset, everybody gets in, and busy counts them."""
    capacity = Capacity(None)
    for _ in range(100):
        assert await capacity.enter(Client())
    assert (capacity.busy, capacity.waiting) == (100, 0)


async def test_a_client_that_left_the_line_is_skipped() -> None:
    """Its place goes to the next; it gets False."""
    capacity, gone, patient = Capacity(1), Client(), Client()
    assert await capacity.enter(Client())
    first = asyncio.create_task(capacity.enter(gone))
    second = asyncio.create_task(capacity.enter(patient))
    await asyncio.sleep(0)
    gone.leave()
    assert await first is False
    assert capacity.waiting == 1
    capacity.leave()
    assert await second is True
    capacity.leave()
    assert capacity.busy == 0


@pytest.mark.parametrize("leaves", [True, False])
async def test_a_client_that_leaves_while_entering_gives_the_server_back(leaves: bool) -> None:
    """Handed a server and gone in the same turn of the loop, by hanging up or by being cancelled."""
    capacity, client = Capacity(1), Client()
    assert await capacity.enter(Client())
    task = asyncio.create_task(capacity.enter(client))
    await asyncio.sleep(0)
    capacity.leave()
    if leaves:
        client.leave()
        assert await task is True  # it holds a server, and must leave
        capacity.leave()
    else:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (capacity.busy, capacity.waiting) == (0, 0)


async def test_a_full_line_refuses_at_once() -> None:
    """With room for 2, the fourth client at one server is refused; one that leaves the line makes room."""
    capacity, gone = Capacity(1, queue=2), Client()
    assert await capacity.enter(Client())
    tasks = [asyncio.create_task(capacity.enter(client)) for client in (gone, Client())]
    await asyncio.sleep(0)
    for _ in range(3):
        with pytest.raises(QueueFullError):
            await capacity.enter(Client())
    assert (capacity.waiting, capacity.refused) == (2, 3)
    gone.leave()
    assert await tasks[0] is False
    late = asyncio.create_task(capacity.enter(Client()))
    await asyncio.sleep(0)
    capacity.leave()
    assert await tasks[1]
    capacity.leave()
    assert await late
    capacity.leave()
    assert (capacity.busy, capacity.waiting, capacity.refused) == (0, 0, 3)
    capacity.reset()
    assert capacity.refused == 0


async def test_no_room_to_wait() -> None:
    """With a queue of 0 there is a free server or none."""
    capacity = Capacity(2, queue=0)
    for _ in range(2):
        assert await capacity.enter(Client())
    with pytest.raises(QueueFullError):
        await capacity.enter(Client())
    capacity.leave()
    assert await capacity.enter(Client())


async def test_a_client_that_got_a_server_does_not_wait_any_more() -> None:
    """Though it has not woken up yet: between the two, a new one finds room in the line."""
    capacity = Capacity(1, queue=1)
    assert await capacity.enter(Client())
    first = asyncio.create_task(capacity.enter(Client()))
    await asyncio.sleep(0)
    capacity.leave()
    assert (capacity.busy, capacity.waiting) == (1, 0)
    second = asyncio.create_task(capacity.enter(Client()))
    assert await first
    capacity.leave()
    assert await second
    assert capacity.refused == 0


async def test_clients_that_left_are_not_kept() -> None:
    """10,000 impatient clients before one server that is never free: the line stays short."""
    capacity = Capacity(1)
    assert await capacity.enter(Client())
    for _ in range(10_000):
        client = Client()
        task = asyncio.create_task(capacity.enter(client))
        await asyncio.sleep(0)
        client.leave()
        assert not await task
    assert capacity.waiting == 0
    assert len(capacity._turns) < 100


@pytest.mark.parametrize("queue", [None, 100])
@pytest.mark.parametrize("seed", range(5))
async def test_a_storm_loses_no_server(seed: int, queue: int | None) -> None:
    """600 clients, of which many leave or are cancelled at any moment: at the end all servers are free."""
    draw, capacity, most, refused = random.Random(seed), Capacity(4, queue), 0, 0

    async def one(client: Client) -> None:
        nonlocal most, refused
        try:
            if not await capacity.enter(client):
                return
        except QueueFullError:
            refused += 1
            return
        most = max(most, capacity.busy)
        try:
            await asyncio.sleep(0)
        finally:
            capacity.leave()

    async def disturb(task: asyncio.Task[None], client: Client) -> None:
        for _ in range(draw.randrange(100)):
            await asyncio.sleep(0)
        actions: list[Callable[[], object]] = [task.cancel, client.leave, int]
        draw.choice(actions)()

    work = []
    for _ in range(600):
        client = Client()
        task = asyncio.create_task(one(client))
        work += [task, asyncio.create_task(disturb(task, client))]
    await asyncio.gather(*work, return_exceptions=True)
    assert most == 4
    assert capacity.refused == refused
    assert (refused > 0) == (queue is not None)
    assert (capacity.busy, capacity.waiting) == (0, 0)
