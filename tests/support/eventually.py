"""Waits until a check is true, instead of sleeping for as long as it usually takes."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.002, 0.05
"""A pause is half as long again as the one before: a check may be a request, which loads what is waited for."""


@overload
async def eventually(check: Callable[[], Awaitable[T]], within: float = 5.0) -> T: ...
@overload
async def eventually(check: Callable[[], T], within: float = 5.0) -> T: ...
async def eventually(check: Callable[[], Any], within: float = 5.0) -> Any:
    """Return the first true value of `check`, which may be a coroutine function; fail after `within` seconds."""
    deadline, pause = time.monotonic() + within, FIRST_PAUSE_SECONDS
    while True:
        found = check()
        value = await found if inspect.isawaitable(found) else found
        if value:
            return value
        assert time.monotonic() < deadline, f"still {value!r} after {within:g} s"
        await asyncio.sleep(pause)
        pause = min(1.5 * pause, LONGEST_PAUSE_SECONDS)


def eventually_sync(check: Callable[[], T], within: float = 5.0) -> T:
    """Return the first true value of `check`; fail after `within` seconds. For tests without an event loop."""
    deadline, pause = time.monotonic() + within, FIRST_PAUSE_SECONDS
    while not (value := check()):
        assert time.monotonic() < deadline, f"still {value!r} after {within:g} s"
        time.sleep(pause)
        pause = min(1.5 * pause, LONGEST_PAUSE_SECONDS)
    return value
