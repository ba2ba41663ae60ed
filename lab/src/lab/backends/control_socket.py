"""Control socket of the supervisor: a line of JSON each way, on a unix socket that only its user can open.

Requests: {"request": "status"}, {"request": "apply", "variables": {...}}, {"request": "down"}.
Replies: {"ok": true, ...} or {"ok": false, "error": "...", "exit_code": 2|3}.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from lab.backends.variables import Variables
from service_kit.exits import ExitCode, ExitError, UnavailableError, UsageError

_LONGEST_MESSAGE = 1 << 20
_REPLY_SECONDS = 180.0


ServiceState = Literal["starting", "ready", "stopping", "dead"]


@dataclass(frozen=True)
class ServiceStatus:
    """A service as its supervisor sees it.

    `because` is why it is not ready, as far as that is known; `environment` what it got of the sandbox's variables.
    """

    state: ServiceState
    because: str
    pid: int
    exit_code: int | None
    environment: Variables


@dataclass(frozen=True)
class Applied:
    """Which services were started, restarted, or given other settings while they ran.

    `altered` are those of the restarted that were no longer as they were started: changed over HTTP, or leaking.
    """

    started: list[str] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SupervisorStatus:
    """An `up --processes` and its services. `shell` are the variables of the shell in which it was called."""

    pid: int
    shell: Variables
    ending: bool
    services: dict[str, ServiceStatus]


class Supervision(Protocol):
    """What can be asked of a supervisor."""

    def status(self) -> SupervisorStatus:
        """Return how everything is now."""

    async def apply(self, variables: Variables) -> Applied:
        """Bring the services to these variables, which have been checked."""

    async def down(self) -> None:
        """End everything, and return when it is gone."""


@asynccontextmanager
async def serving(path: Path, supervision: Supervision) -> AsyncIterator[None]:
    """Serve requests at that path while the context lasts; those under way are answered before it ends."""
    under_way: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        under_way.add(task)
        try:
            await _serve_one(reader, writer, supervision)
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


async def _serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, supervision: Supervision) -> None:
    with contextlib.suppress(ConnectionError, ValueError):
        line = await reader.readline()
        if not line:  # the client only wanted to know whether anything listens
            writer.close()
            return
        try:
            reply = {"ok": True, **await _reply(json.loads(line), supervision)}
        except ExitError as error:
            reply = {"ok": False, "error": str(error), "exit_code": error.exit_code}
        writer.write(json.dumps(reply).encode() + b"\n")
        await writer.drain()
    writer.close()


async def _reply(request: dict[str, Any], supervision: Supervision) -> dict[str, Any]:
    match request:
        case {"request": "status"}:
            return asdict(supervision.status())
        case {"request": "apply", "variables": dict(variables)}:
            return asdict(await supervision.apply(variables))
        case {"request": "down"}:
            await supervision.down()
            return {}
    raise UsageError("no such request")


class SupervisorClient:
    """The client's end: the supervisor of a checkout, if there is one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def is_up(self) -> bool:
        """Whether a supervisor listens there; the socket of one that was killed does not count."""
        try:
            _, writer = await asyncio.open_unix_connection(self._path)
        except OSError:
            return False
        writer.close()
        return True

    async def status(self) -> SupervisorStatus:
        reply = await self._ask("status")
        services = {name: ServiceStatus(**one) for name, one in reply.pop("services").items()}
        return SupervisorStatus(**reply, services=services)

    async def apply(self, variables: Variables) -> Applied:
        return Applied(**await self._ask("apply", variables=variables))

    async def down(self) -> None:
        await self._ask("down")

    async def _ask(self, request: str, **more: Variables) -> dict[str, Any]:
        """Return the reply; raise what the supervisor raised."""
        try:
            async with asyncio.timeout(_REPLY_SECONDS):
                line = await self._exchange(json.dumps({"request": request, **more}).encode())
        except (OSError, TimeoutError) as error:
            raise UnavailableError(f"the supervisor of `./sandbox up` does not answer: {error}") from None
        if not line:
            raise UnavailableError("the supervisor of `./sandbox up` went away")
        reply: dict[str, Any] = json.loads(line)
        if not reply.pop("ok"):
            failure = UsageError if reply["exit_code"] == ExitCode.USAGE else UnavailableError
            raise failure(reply["error"])
        return reply

    async def _exchange(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self._path, limit=_LONGEST_MESSAGE)
        try:
            writer.write(request + b"\n")
            return await reader.readline()
        finally:
            writer.close()
