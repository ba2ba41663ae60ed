"""One headless Locust run, in a process of its own: its progress, its end, and what is left of it."""

import asyncio
import contextlib
import json
import signal
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.backends.process_group import Spawned, read_lines, spawn
from lab.backends.processes.service_process import TAIL_LINES
from lab.backends.ward import Ward

OnProgress = Callable[[dict[str, Any]], None]
_LAST_LINES_SECONDS = 1.0


@dataclass(frozen=True)
class Headless:
    """How to start it: the command and its whole environment.

    `interrupt` is a command that asks it to stop, where a signal to the process that was started would not reach it.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    interrupt: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How it ended. `run_id` and `document` are None if nothing was recorded; `tail` are its last log lines."""

    exit_code: int
    run_id: str | None
    document: str | None
    tail: list[str]


class HeadlessRun:
    """A run under way."""

    def __init__(self, headless: Headless, spawned: Spawned, ward: Ward) -> None:
        self._headless = headless
        self._spawned = spawned
        self._ward = ward
        self._asked_to_stop = False

    @classmethod
    async def start(cls, headless: Headless, root: Path, ward: Ward) -> "HeadlessRun":
        """Start it."""
        return cls(headless, await spawn(headless.argv, headless.environment, root, ward, split_stderr=True), ward)

    def interrupt(self) -> None:
        """Ask it to stop and keep what it has; the second time, end it."""
        if self._asked_to_stop:
            self._spawned.signal_group(signal.SIGKILL)
        elif self._headless.interrupt:
            self._asking = asyncio.create_task(self._ask(self._headless.interrupt))
        else:
            self._send_interrupt()
        self._asked_to_stop = True

    async def _ask(self, command: tuple[str, ...]) -> None:
        """Ask by the command; if there is nothing to be asked yet, what was started is."""
        null = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *command, env=self._headless.environment, stdin=null, stdout=null, stderr=null
        )
        if await process.wait():
            self._send_interrupt()

    def _send_interrupt(self) -> None:
        # Not the group: Locust tells its workers itself.
        with contextlib.suppress(ProcessLookupError):
            self._spawned.process.send_signal(signal.SIGINT)

    async def follow(self, on_progress: OnProgress) -> Outcome:
        """Pass its progress on until it ends."""
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        last: dict[str, Any] = {}
        reading = [
            asyncio.create_task(self._read_progress(on_progress, tail, last)),
            asyncio.create_task(self._read_log(tail)),
        ]
        await self._spawned.end_stragglers(self._ward)
        await asyncio.wait(reading, timeout=_LAST_LINES_SECONDS)
        for task in reading:
            task.cancel()
        return Outcome(self._spawned.process.returncode or 0, last.get("run_id"), last.get("document"), list(tail))

    async def _read_progress(self, on_progress: OnProgress, tail: deque[str], last: dict[str, Any]) -> None:
        """Pass on a point a line; the last line, which names the run, goes into `last`."""
        async for line in read_lines(self._spawned.stdout):
            try:
                point = json.loads(line)
            except ValueError:
                point = None
            if not isinstance(point, dict):
                tail.append(line)
            elif "run_id" in point:
                last.update(point)
            else:
                on_progress(point)

    async def _read_log(self, tail: deque[str]) -> None:
        assert self._spawned.stderr is not None
        async for line in read_lines(self._spawned.stderr):
            tail.append(line)
