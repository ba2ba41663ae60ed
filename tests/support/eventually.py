"""Waits until a check is true, instead of sleeping for as long as it usually takes."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

PAUSE = 0.005


@overload
async def eventually(check: Callable[[], Awaitable[T]], within: float = 5.0) -> T: ...
@overload
async def eventually(check: Callable[[], T], within: float = 5.0) -> T: ...
async def eventually(check: Callable[[], Any], within: float = 5.0) -> Any:
    """Return the first true value of `check`, which may be a coroutine function; fail after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        found = check()
        value = await found if inspect.isawaitable(found) else found
        if value:
            return value
        assert time.monotonic() < deadline, f"still {value!r} after {within:g} s"
        await asyncio.sleep(PAUSE)


def eventually_sync(check: Callable[[], T], within: float = 5.0) -> T:
    """Return the first true value of `check`; fail after `within` seconds. For tests without an event loop."""
    deadline = time.monotonic() + within
    while not (value := check()):
        assert time.monotonic() < deadline, f"still {value!r} after {within:g} s"
        time.sleep(PAUSE)
    return value
