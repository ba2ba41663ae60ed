"""The timer queue: order, never early, and its two alarms."""

import asyncio
import time
from collections.abc import Callable
from functools import partial

import pytest

from service_kit.timer_queue import LoopAlarm, TimerQueue
from service_kit.timerfd import TimerFd, timerfd_works

ALARMS = [LoopAlarm, *([TimerFd] if timerfd_works() else [])]


@pytest.fixture(params=ALARMS)
def alarm(request: pytest.FixtureRequest) -> Callable[..., TimerFd | LoopAlarm]:
    chosen: Callable[..., TimerFd | LoopAlarm] = request.param
    return chosen


async def test_callbacks_come_in_order_of_their_time_and_never_early(
    alarm: Callable[..., TimerFd | LoopAlarm],
) -> None:
    """Those of one time in the order they were given."""
    late: list[float] = []
    queue = TimerQueue(alarm=alarm, on_late=late.append)
    called: list[tuple[str, float]] = []
    start = time.monotonic()

    def record(name: str) -> None:
        called.append((name, time.monotonic() - start))

    for name, after in (("c", 0.03), ("a", 0.01), ("past", -5.0), ("b1", 0.02), ("b2", 0.02)):
        queue.call_at(start + after, partial(record, name))
    await asyncio.wait_for(queue.wait_until(time.monotonic_ns() + 50_000_000), 10)
    queue.close()
    assert [name for name, _ in called] == ["past", "a", "b1", "b2", "c"]
    assert all(at >= due for (_, at), due in zip(called, (0, 0.01, 0.02, 0.02, 0.03), strict=True))
    assert len(late) == 5
    assert min(late) >= 0
    assert late[0] >= 5


async def test_a_wait_is_true_at_its_deadline(alarm: Callable[..., TimerFd | LoopAlarm]) -> None:
    queue = TimerQueue(alarm=alarm)
    deadline = time.monotonic_ns() + 5_000_000
    assert await asyncio.wait_for(queue.wait_until(deadline), 10) is True
    assert time.monotonic_ns() >= deadline
    queue.close()


async def test_a_sooner_deadline_replaces_the_alarm(alarm: Callable[..., TimerFd | LoopAlarm]) -> None:
    queue = TimerQueue(alarm=alarm)
    later = queue.wait_until(time.monotonic_ns() + 3600 * 10**9)
    assert await asyncio.wait_for(queue.wait_until(time.monotonic_ns() + 1_000_000), 10)
    assert not later.done()
    queue.close()
    assert later.cancelled()


async def test_waits_that_others_ended_are_passed_over() -> None:
    queue = TimerQueue()
    ended, cancelled = (queue.wait_until(time.monotonic_ns() + 1_000_000) for _ in range(2))
    ended.set_result(False)
    cancelled.cancel()
    assert await asyncio.wait_for(queue.wait_until(time.monotonic_ns() + 2_000_000), 10)
    assert ended.result() is False
    queue.close()


async def test_a_callback_may_add_others_and_close_the_queue() -> None:
    queue = TimerQueue()
    done = asyncio.get_running_loop().create_future()
    now = time.monotonic()

    def second() -> None:
        queue.close()
        done.set_result(None)

    queue.call_at(now, lambda: queue.call_at(now, second))
    queue.call_at(now + 3600, lambda: done.set_exception(AssertionError()))
    await asyncio.wait_for(done, 10)
    queue.call_at(now, second)  # does nothing any more
    queue.close()
    await asyncio.sleep(0.01)


async def test_an_exception_in_a_callback_does_not_stop_the_others() -> None:
    loop = asyncio.get_running_loop()
    raised: list[BaseException] = []
    loop.set_exception_handler(lambda _, context: raised.append(context["exception"]))
    queue = TimerQueue()
    queue.call_at(time.monotonic(), lambda: [][0])
    assert await asyncio.wait_for(queue.wait_until(time.monotonic_ns() + 1_000_000), 10)
    assert [type(error) for error in raised] == [IndexError]
    queue.close()


@pytest.mark.timing
async def test_many_are_late_by_less_than_two_milliseconds_at_the_median() -> None:
    queue = TimerQueue()
    late: list[int] = []

    async def sleeper(index: int) -> None:
        deadline = time.monotonic_ns() + 50_000_000 + index * 200_000
        await queue.wait_until(deadline)
        late.append(time.monotonic_ns() - deadline)

    await asyncio.gather(*(sleeper(index) for index in range(500)))
    queue.close()
    assert sorted(late)[250] < 2_000_000
