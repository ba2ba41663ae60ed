"""The timer queue on asyncio's loop and on uvloop's, with both alarms."""

import asyncio
import random
import time
from functools import partial

import pytest

from service_kit.timer_queue import LoopAlarm, TimerQueue
from service_kit.timerfd import TimerFd, timerfd_works

pytestmark = [
    pytest.mark.parametrize("alarm", [LoopAlarm, *([TimerFd] if timerfd_works() else [])]),
    pytest.mark.parametrize(
        "anyio_backend",
        [("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})],
        ids=["asyncio", "uvloop"],
    ),
]

Alarm = type[LoopAlarm] | type[TimerFd]


def in_ms(milliseconds: float) -> int:
    """A deadline from now."""
    return time.monotonic_ns() + round(milliseconds * 1e6)


async def test_no_wait_ends_early(alarm: Alarm) -> None:
    """300 waits of 1 to 60 ms all end at or after their deadline, whatever the loop's own timers round to."""
    queue, draw = TimerQueue(alarm=alarm), random.Random(1)

    async def one() -> int:
        deadline = in_ms(draw.uniform(1, 60))
        assert await queue.wait_until(deadline) is True
        return time.monotonic_ns() - deadline

    late = await asyncio.gather(*(one() for _ in range(300)))
    queue.close()
    assert min(late) >= 0


async def test_waits_end_in_order(alarm: Alarm) -> None:
    """A later deadline that was asked for first does not hold up an earlier one; equals are first in, first out."""
    queue = TimerQueue(alarm=alarm)
    ended: list[str] = []

    def note(name: str, _: object) -> None:
        ended.append(name)

    base = in_ms(20)
    waits = {"d": base + 9_000_000, "b": base, "c": base, "a": base - 9_000_000}
    futures = []
    for name, deadline in waits.items():
        future = queue.wait_until(deadline)
        future.add_done_callback(partial(note, name))
        futures.append(future)
    await asyncio.gather(*futures)
    await asyncio.sleep(0)
    queue.close()
    assert ended == ["a", "b", "c", "d"]


async def test_a_deadline_in_the_past_is_due_at_once(alarm: Alarm) -> None:
    queue = TimerQueue(alarm=alarm)
    async with asyncio.timeout(5):
        assert await queue.wait_until(time.monotonic_ns() - 10**9)
        assert await queue.wait_until(0)
    queue.close()


async def test_a_wait_can_be_cancelled_or_ended(alarm: Alarm) -> None:
    """The queue skips both, and the others end at their time."""
    queue, deadline = TimerQueue(alarm=alarm), in_ms(20)
    cancelled, ended, kept = (queue.wait_until(deadline) for _ in range(3))
    cancelled.cancel()
    ended.set_result(False)
    assert await kept is True
    assert cancelled.cancelled()
    assert ended.result() is False
    queue.close()
