import asyncio
import random
import time
from contextlib import suppress

from proxy.clients.fifo_semaphore import FifoSemaphore

LONG = 30.0


async def test_a_slot_goes_to_the_first_in_the_queue_past_nobody() -> None:
    """Strict order of arrival, also for one who comes in the moment a slot is given back."""

    gate = FifoSemaphore(1)
    served: list[int] = []

    async def user(number: int) -> None:
        assert await gate.enter(LONG)
        served.append(number)
        await asyncio.sleep(0)
        gate.leave()

    assert await gate.enter(LONG)
    tasks = [asyncio.create_task(user(number)) for number in range(50)]
    await asyncio.sleep(0)
    assert gate.waiting == 50
    gate.leave()
    tasks.append(asyncio.create_task(user(50)))
    await asyncio.gather(*tasks)
    assert served == list(range(51))
    assert (gate.free, gate.waiting) == (1, 0)


async def test_those_who_come_again_and_again_get_the_same_number_of_turns() -> None:
    """32 loops over 8 slots: nobody is starved."""

    gate = FifoSemaphore(8)
    turns = [0] * 32
    until = time.monotonic() + 0.3

    async def user(number: int) -> None:
        while time.monotonic() < until:
            assert await gate.enter(LONG)
            turns[number] += 1
            await asyncio.sleep(0.001)
            gate.leave()

    await asyncio.gather(*[user(number) for number in range(32)])
    assert max(turns) - min(turns) <= 2


async def test_no_more_than_the_slots_are_held_at_a_time() -> None:
    """Whoever leaves or is cancelled when."""

    gate = FifoSemaphore(3)
    held = most = 0

    async def user() -> None:
        nonlocal held, most
        assert await gate.enter(LONG)
        held += 1
        most = max(most, held)
        try:
            await asyncio.sleep(0.001)
        finally:
            held -= 1
            gate.leave()

    tasks = [asyncio.create_task(user()) for _ in range(100)]
    await asyncio.sleep(0.005)
    for task in tasks[::3]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert most == 3
    assert (gate.free, gate.waiting) == (3, 0)


async def test_the_wait_ends_with_the_timeout_and_not_before() -> None:
    """And who gave up is not given a slot later."""

    gate = FifoSemaphore(1)
    assert await gate.enter(LONG)
    began = time.monotonic()
    assert not await gate.enter(0.1)
    assert time.monotonic() - began >= 0.1
    assert gate.waiting == 0
    gate.leave()
    assert gate.free == 1


async def test_a_slot_given_to_one_who_is_cancelled_in_that_moment_goes_on() -> None:
    """The hand-over and the cancellation fall into the same turn of the loop."""

    gate = FifoSemaphore(1)
    assert await gate.enter(LONG)
    first = asyncio.create_task(gate.enter(LONG))
    second = asyncio.create_task(gate.enter(LONG))
    await asyncio.sleep(0)
    gate.leave()
    first.cancel()
    assert await second
    assert first.cancelled()
    gate.leave()
    assert gate.free == 1


async def test_thousands_of_cancellations_leave_every_slot_free() -> None:
    """At any moment: waiting, handed over, holding."""

    gate = FifoSemaphore(10)
    chance = random.Random(7)

    async def user() -> None:
        if await gate.enter(0.005):
            try:
                await asyncio.sleep(chance.choice((0, 0.001)))
            finally:
                gate.leave()

    async def canceller() -> None:
        for _ in range(100):
            task = asyncio.create_task(user())
            await asyncio.sleep(chance.choice((0, 0.0005)))
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    await asyncio.gather(*[canceller() for _ in range(30)])
    assert (gate.free, gate.waiting) == (10, 0)
