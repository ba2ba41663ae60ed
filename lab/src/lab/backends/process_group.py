"""Starting a process so that it can be told apart from what it leaves behind."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.backends.ward import Ward, die_with_parent

_LONGEST_LINE = 16_384
_STRAGGLER_SECONDS = 1.0


@dataclass(frozen=True)
class Spawned:
    """A process in a session of its own, the leader of its group. `stderr` is None where it goes to stdout."""

    process: asyncio.subprocess.Process
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader | None

    def signal_group(self, number: int) -> bool:
        """Signal it and all its children; return whether there is any left. 0 only asks."""
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    async def end_stragglers(self, ward: Ward) -> None:
        """Once it has ended: give its children a moment, then end them."""
        await self.process.wait()
        deadline = time.monotonic() + _STRAGGLER_SECONDS
        while self.signal_group(0) and time.monotonic() < deadline:  # noqa: ASYNC110 (nobody tells us)
            await asyncio.sleep(0.02)
        self.signal_group(signal.SIGKILL)
        ward.discard(self.process.pid)


async def spawn(
    argv: Sequence[str], environment: Mapping[str, str], folder: Path, ward: Ward, split_stderr: bool = False
) -> Spawned:
    """Start a process in just this environment, out of reach of the terminal's Ctrl-C, that dies with this one.

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
            preexec_fn=die_with_parent(),
        )
    finally:
        for end in {its_stdout, its_stderr}:
            os.close(end)
    ward.add(process.pid)
    return Spawned(process, stdout, stderr)


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


async def _pipe() -> tuple[asyncio.StreamReader, int]:
    ours, theirs = os.pipe()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(ours, "rb", buffering=0))
    return reader, theirs
