"""`up --processes`: the supervisor in the foreground, from the first check to the last process gone."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from lab.backends.checkout import Clone
from lab.backends.errors import INTERRUPTED, UsageMistake
from lab.backends.precedence import Variables
from lab.backends.processes.control_socket import listening
from lab.backends.processes.supervisor import Supervisor
from lab.backends.service_spec import ServiceSpec
from lab.backends.terminal import Screen

ALREADY_UP = "the sandbox of this clone is up already ({note}); ./sandbox down stops it"


class Foreground:
    """One `up`. `shell` are the variables of the shell that it was called from, `variables` the whole baseline."""

    def __init__(self, clone: Clone, services: Sequence[ServiceSpec], shell: Variables, variables: Variables) -> None:
        self._clone = clone
        self._services = services
        self._shell = shell
        self._variables = variables
        self._end = asyncio.Event()
        self._gone = asyncio.Event()
        self._signal: int | None = None

    async def serve(self, welcome: Callable[[Supervisor], str]) -> int:
        """Start everything, say `welcome`, serve until a signal or `down`, end everything; return the exit code."""
        screen = Screen(self._services)
        with (
            self._clone.held("up", f"as processes, pid {os.getpid()}", ALREADY_UP),
            self._clone.socket_path() as path,
        ):
            self._supervisor = Supervisor(self._clone.root, self._clone.runs, self._services, screen)
            self._listen_to_signals()
            try:
                async with listening(path, self._answer):
                    try:
                        if await self._start():
                            screen.say(welcome(self._supervisor))
                        await self._end.wait()
                    finally:
                        await self._supervisor.stop()
                        self._gone.set()
            finally:
                if self._supervisor.status():  # else nothing was started
                    screen.say("everything is stopped")
        return INTERRUPTED if self._signal == signal.SIGINT else 0

    async def _start(self) -> bool:
        """Start the services unless told to end meanwhile; whether they are ready."""
        start = asyncio.create_task(self._supervisor.apply(self._variables))
        end = asyncio.create_task(self._end.wait())
        await asyncio.wait((start, end), return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        if start.done():
            start.result()
            return True
        start.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await start
        return False

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: int) -> None:
        if self._end.is_set():
            self._supervisor.hurry.set()
        self._signal = self._signal or number
        self._end.set()

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        match request:
            case {"request": "status"}:
                return {
                    "pid": os.getpid(),
                    "shell": self._shell,
                    "ending": self._end.is_set(),
                    "services": self._supervisor.status(),
                }
            case {"request": "apply", "variables": dict(variables)}:
                return asdict(await self._supervisor.apply(variables, check=False))
            case {"request": "down"}:
                self._end.set()
                await self._gone.wait()
                return {}
        raise UsageMistake("no such request")
