"""Saying what is waited for while something is done."""

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from lab.backends.errors import SurroundingsFailed
from lab.backends.interface import Stack
from lab.cli.progress_bar import LiveRun

T = TypeVar("T")
_WAITING_EVERY_SECONDS = 3.0


async def meanwhile(work: Coroutine[Any, Any, T], aside: Coroutine[Any, Any, None]) -> T:
    """Do the work; what is done aside ends with it."""
    beside = asyncio.create_task(aside)
    try:
        return await work
    finally:
        beside.cancel()
        await asyncio.wait((beside,))


async def say_what_is_waited_for(stack: Stack, live: LiveRun) -> None:
    """Say every few seconds what the services are waited for, until cancelled."""
    begun = time.monotonic()
    while True:
        await asyncio.sleep(_WAITING_EVERY_SECONDS)
        with contextlib.suppress(SurroundingsFailed):
            text = await stack.waited_for() or "bringing the services to these settings"
            live.wait(f"{text}, {time.monotonic() - begun:.0f} s so far ...")
