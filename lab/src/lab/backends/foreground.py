"""`up`: the services of one checkout in the foreground, from the first check until all of them have ended."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from lab.backends.checkout import Checkout
from lab.backends.terminal import Terminal
from lab.backends.workspace import MODE_WORDS, Mode
from service_kit.exits import ExitCode, ExitError

ALREADY_UP = "the sandbox of this clone is up already ({note}); ./sandbox down stops it"


class Shutdown:
    """How far the end of an `up` is: asked for by a signal or by `down`, hurried by a second signal, done."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.hurry = asyncio.Event()
        self.done = asyncio.Event()
        self.signal = 0

    def on_signal(self, number: int) -> None:
        if self.asked.is_set():
            self.hurry.set()
        self.signal = self.signal or number
        self.asked.set()


class UpBackend(Protocol):
    """The services of an `up`. The methods are called in this order; `stop` only if `start` was called."""

    mode: Mode

    def opened(self, shutdown: Shutdown) -> AbstractAsyncContextManager[None]:
        """Hold, around everything else, what other commands find this `up` by."""

    async def check(self) -> None:
        """Raise ExitError if settings or ports are wrong; nothing is started yet."""

    async def start(self) -> None:
        """Start everything and wait until it is ready."""

    async def follow(self) -> None:
        """Show the services' output until all of them have ended."""

    async def stop(self) -> None:
        """End everything, also after a start that failed."""


async def run_in_foreground(checkout: Checkout, backend: UpBackend, terminal: Terminal, welcome: str) -> int:
    """Start everything, print `welcome`, go on until a signal or `down`, end everything; return the exit code."""
    shutdown = Shutdown()
    note = f"{MODE_WORDS[backend.mode]}, pid {os.getpid()}"
    with checkout.locked("up", note, ALREADY_UP):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, shutdown.on_signal, number)
        async with backend.opened(shutdown):
            try:
                if await _unless_asked(shutdown, backend.check()):
                    await _start_and_stop(shutdown, backend, terminal, welcome)
            finally:
                shutdown.done.set()
    return ExitCode.INTERRUPTED if shutdown.signal == signal.SIGINT else ExitCode.OK


async def _start_and_stop(shutdown: Shutdown, backend: UpBackend, terminal: Terminal, welcome: str) -> None:
    try:
        if await _unless_asked(shutdown, backend.start()):
            terminal.print(welcome)
            await _unless_asked(shutdown, backend.follow())
    finally:
        await backend.stop()
        terminal.print("everything is stopped")


async def _unless_asked(shutdown: Shutdown, work: Coroutine[Any, Any, None]) -> bool:
    """Do the work, or cancel it when the end is asked for; return whether it was done."""
    task = asyncio.ensure_future(work)
    asked = asyncio.ensure_future(shutdown.asked.wait())
    await asyncio.wait((task, asked), return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if task.done():
        task.result()
        return True
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, ExitError):
        await task
    return False
