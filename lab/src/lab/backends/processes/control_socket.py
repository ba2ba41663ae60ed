"""The supervisor's ear: one JSON line in, one JSON line back, over a unix socket that only its user can open.

Requests: {"request": "status"}, {"request": "apply", "variables": {...}}, {"request": "down"}.
Answers: {"ok": true, ...} or {"ok": false, "error": "...", "exit_code": 2|3}.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lab.backends.errors import USAGE, SandboxError, SurroundingsFailed, UsageMistake

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
_LONGEST_MESSAGE = 1 << 20
_ANSWER_SECONDS = 180.0


@asynccontextmanager
async def listening(path: Path, answer: Answer) -> AsyncIterator[None]:
    """Answer requests at that path for as long as the context lasts; requests under way are answered before it ends."""
    under_way: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        under_way.add(task)
        try:
            await _serve_one(reader, writer, answer)
        finally:
            under_way.discard(task)

    mask = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(serve, path, limit=_LONGEST_MESSAGE)
    finally:
        os.umask(mask)
    async with server:
        try:
            yield
        finally:
            if under_way:
                await asyncio.wait(under_way, timeout=2)


async def _serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
    with contextlib.suppress(ConnectionError, ValueError):
        line = await reader.readline()
        if not line:  # somebody only wanted to know whether we are here
            writer.close()
            return
        request = json.loads(line)
        try:
            reply = {"ok": True, **await answer(request)}
        except SandboxError as error:
            reply = {"ok": False, "error": str(error), "exit_code": error.exit_code}
        writer.write(json.dumps(reply).encode() + b"\n")
        await writer.drain()
    writer.close()


class Supervised:
    """The client's end: the supervisor of a clone, if one is up."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def is_up(self) -> bool:
        """Whether a supervisor listens there; a socket left by one that was killed does not count."""
        try:
            _, writer = await asyncio.open_unix_connection(self._path)
        except OSError:
            return False
        writer.close()
        return True

    async def ask(self, request: str, **more: Any) -> dict[str, Any]:
        """Return the answer; raise what the supervisor raised."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                line = await self._exchange(json.dumps({"request": request, **more}).encode())
        except (OSError, TimeoutError) as error:
            raise SurroundingsFailed(f"the supervisor of `./sandbox up` does not answer: {error}") from None
        if not line:
            raise SurroundingsFailed("the supervisor of `./sandbox up` went away")
        answer: dict[str, Any] = json.loads(line)
        if not answer["ok"]:
            failure = UsageMistake if answer["exit_code"] == USAGE else SurroundingsFailed
            raise failure(answer["error"])
        return answer

    async def _exchange(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self._path, limit=_LONGEST_MESSAGE)
        try:
            writer.write(request + b"\n")
            return await reader.readline()
        finally:
            writer.close()
