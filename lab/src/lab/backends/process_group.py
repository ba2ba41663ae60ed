"""A command as the leader of its own process group, which is ended with everything that the command has started."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LONGEST_LINE = 16_384
_CHILDREN_SECONDS = 1.0
_LAST_LINES_SECONDS = 1.0

_END_ORPHANS = "trap '' HUP INT TERM; read _; kill -s TERM -- -$0; sleep 3; kill -s KILL -- -$0"
"""Shell script, with the group's id as $0. Its standard input ends when this process has ended, by SIGKILL too.

PR_SET_PDEATHSIG would not do: it is cleared on fork, so the workers of uvicorn and Locust would go on.
"""


class ProcessGroup:
    """A running command. It is out of reach of the terminal's Ctrl-C. `stderr` is None where it goes to stdout."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        stdout: asyncio.StreamReader,
        stderr: asyncio.StreamReader | None,
    ) -> None:
        self.process = process
        self.stdout = stdout
        self.stderr = stderr
        self._orphans_end = _watch_over(process.pid)

    @classmethod
    async def start(
        cls, argv: Sequence[str], environment: Mapping[str, str], folder: Path, *, split_stderr: bool = False
    ) -> "ProcessGroup":
        """Start a command in just this environment.

        The pipes are our own: with asyncio's, a process counts as running until its children have closed them too.
        """
        stdout, its_stdout = await _pipe()
        stderr, its_stderr = await _pipe() if split_stderr else (None, its_stdout)
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                env=environment,
                cwd=folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=its_stdout,
                stderr=its_stderr,
                start_new_session=True,
            )
        finally:
            for end in {its_stdout, its_stderr}:
                os.close(end)
        return cls(process, stdout, stderr)

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number if a signal ended it."""
        return self.process.returncode

    def signal_leader(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def signal(self, number: int) -> bool:
        """Signal the command and all its children; return whether there is any left. 0 only asks."""
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    async def wait(self, *readers: asyncio.Task[None]) -> int:
        """Wait for the command's end, give its children a moment and end them; return the exit code.

        `readers` are the tasks that read its output: they get a moment for the last lines.
        """
        try:
            await self.process.wait()
            deadline = time.monotonic() + _CHILDREN_SECONDS
            while self.signal(0) and time.monotonic() < deadline:  # noqa: ASYNC110 (there is nothing to wait on)
                await asyncio.sleep(0.02)
        finally:
            self.signal(signal.SIGKILL)
            self._orphans_end.kill()
            self._orphans_end.communicate()
        if readers:
            await asyncio.wait(readers, timeout=_LAST_LINES_SECONDS)
        for reader in readers:
            reader.cancel()
        return self.process.returncode or 0

    async def end(
        self, grace_seconds: float, hurry: asyncio.Event | None = None, *, children_too: bool = False
    ) -> None:
        """End it: SIGTERM, then SIGKILL for it and its children after the grace, or as soon as `hurry` is set.

        `wait` is to follow. Most commands pass SIGTERM on as they see fit; with `children_too` all get it at once.
        """
        if children_too:
            self.signal(signal.SIGTERM)
        else:
            self.signal_leader(signal.SIGTERM)
        ended = asyncio.create_task(self.process.wait())
        hurried = asyncio.create_task((hurry or asyncio.Event()).wait())
        await asyncio.wait((ended, hurried), timeout=grace_seconds, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not ended.done():
            self.signal(signal.SIGKILL)
        await ended


@dataclass(frozen=True)
class FinishedCommand:
    """How a short command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return (self.err.strip().splitlines() or ["it printed nothing"])[-1]


async def run_command(
    argv: Sequence[str], environment: Mapping[str, str], folder: Path, seconds: float
) -> FinishedCommand:
    """Run a short command to its end. The code is 127 if there is no such command, 124 if it took too long."""
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, env=environment, cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
    except FileNotFoundError:
        return FinishedCommand(127, "", f"there is no {argv[0]} command")
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return FinishedCommand(124, "", f"it did not end within {seconds:.0f} s")
    return FinishedCommand(process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace"))


async def read_lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Yield lines without their ends; one that is too long comes in pieces."""
    rest = b""
    while chunk := await stream.read(65_536):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        for line in lines:
            yield line.decode(errors="replace").rstrip("\r")
    if rest:
        yield rest.decode(errors="replace")


def _watch_over(group: int) -> "subprocess.Popen[bytes]":
    """Start the shell that ends the group if this process is killed."""
    return subprocess.Popen(
        ["/bin/sh", "-c", _END_ORPHANS, str(group)],
        env={"PATH": os.defpath},
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


async def _pipe() -> tuple[asyncio.StreamReader, int]:
    ours, theirs = os.pipe()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(ours, "rb", buffering=0))
    return reader, theirs
