"""One headless Locust run, in a process of its own: its progress, its end, and what is left of it."""

import asyncio
import signal
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.backends.process_group import ProcessGroup, read_lines, run_command
from lab.wire.locust import RunSaved, RunSecond, parse_line

_TAIL_LINES = 15
_INTERRUPT_SECONDS = 10.0


@dataclass(frozen=True)
class LocustCommand:
    """How to start it: the command and its whole environment.

    `interrupt` is a command that asks it to stop, where a signal to the process that was started would not reach it.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    interrupt: tuple[str, ...] = ()


@dataclass(frozen=True)
class FinishedRun:
    """How it ended. `run_id` and `document`, a path, are "" if nothing was recorded; `tail` are its last log lines."""

    exit_code: int
    run_id: str
    document: str
    tail: list[str]


class LocustRun:
    """A run under way."""

    def __init__(self, command: LocustCommand, root: Path, group: ProcessGroup) -> None:
        self._command = command
        self._root = root
        self._group = group
        self._asked_to_stop = False
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._run_id = ""
        self._document = ""

    @classmethod
    async def start(cls, command: LocustCommand, root: Path) -> "LocustRun":
        group = await ProcessGroup.start(command.argv, command.environment, root, split_stderr=True)
        return cls(command, root, group)

    def interrupt(self) -> None:
        """Ask it to stop and keep what it has; the second time, end it."""
        if self._asked_to_stop:
            self._group.signal(signal.SIGKILL)
        elif self._command.interrupt:
            self._asking = asyncio.create_task(self._ask(self._command.interrupt))
        else:
            self._send_interrupt()
        self._asked_to_stop = True

    async def follow(self, on_progress: Callable[[RunSecond], None]) -> FinishedRun:
        exit_code = await self._group.wait(
            asyncio.create_task(self._read_progress(on_progress)), asyncio.create_task(self._read_log())
        )
        return FinishedRun(exit_code, self._run_id, self._document, list(self._tail))

    async def _ask(self, command: tuple[str, ...]) -> None:
        """Run the command that asks it to stop; if its container does not exist yet, signal what was started."""
        if (await run_command(command, self._command.environment, self._root, _INTERRUPT_SECONDS)).code:
            self._send_interrupt()

    def _send_interrupt(self) -> None:
        # Not the group: Locust tells its workers itself.
        self._group.signal_leader(signal.SIGINT)

    async def _read_progress(self, on_progress: Callable[[RunSecond], None]) -> None:
        async for line in read_lines(self._group.stdout):
            found = parse_line(line)
            if isinstance(found, RunSaved):
                self._run_id, self._document = found.run_id, found.document
            elif found is not None:
                on_progress(found)
            else:
                self._tail.append(line)

    async def _read_log(self) -> None:
        assert self._group.stderr is not None
        async for line in read_lines(self._group.stderr):
            self._tail.append(line)
