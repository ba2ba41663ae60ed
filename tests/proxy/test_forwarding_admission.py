import asyncio

import pytest

from proxy.errors import ProxyError
from proxy.forward.context import AdmissionQueue


async def _queue(admission: AdmissionQueue, count: int) -> tuple[list[asyncio.Task[None]], list[int]]:
    order: list[int] = []

    async def one(number: int) -> None:
        await admission.enter()
        order.append(number)

    tasks = [asyncio.create_task(one(number)) for number in range(count)]
    await asyncio.sleep(0)
    return tasks, order


async def test_turns_are_given_in_order_of_arrival() -> None:
    """And not to somebody who comes while others wait."""

    admission = AdmissionQueue(1, None)
    await admission.enter()
    tasks, order = await _queue(admission, 5)
    assert (admission.in_flight, admission.waiting) == (1, 5)
    for _ in range(5):
        admission.leave()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3, 4]
    admission.leave()
    assert (admission.in_flight, admission.waiting) == (0, 0)


async def test_the_queue_is_bounded() -> None:
    """The next one is refused at once; with none allowed to wait, already the second."""

    for waiting in (0, 2):
        admission = AdmissionQueue(1, waiting)
        await admission.enter()
        tasks, _ = await _queue(admission, waiting)
        with pytest.raises(ProxyError) as error:
            await admission.enter()
        assert (error.value.code, error.value.status) == ("overloaded", 503)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (admission.in_flight, admission.waiting) == (1, 0)


async def test_who_leaves_with_its_turn_already_given_passes_it_on() -> None:
    """Cancelled between the giving and the taking: the next one has it."""

    admission = AdmissionQueue(1, None)
    await admission.enter()
    tasks, order = await _queue(admission, 2)
    admission.leave()  # the first has its turn, but has not run yet
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [1]
    admission.leave()
    assert (admission.in_flight, admission.waiting) == (0, 0)


async def test_one_that_times_out_as_the_first_leaves_is_passed_over() -> None:
    """Cancelled, and not yet gone: the turn goes to the next, and the cancelled one ends as cancelled."""

    admission = AdmissionQueue(1, None)
    await admission.enter()
    tasks, order = await _queue(admission, 2)
    tasks[0].cancel()
    admission.leave()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError, type(None)]
    assert order == [1]
    admission.leave()
    assert (admission.in_flight, admission.waiting) == (0, 0)
