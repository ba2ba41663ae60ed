"""A mock upstream on ephemeral ports in the test's own loop, and one as a process."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service_kit.listening import free_port, listen
from support.eventually import eventually
from upstream_mock.certificates import server_context
from upstream_mock.request_log import RequestLog
from upstream_mock.server import control_server, data_server
from upstream_mock.settings import Settings
from upstream_mock.state import Mock

SOURCES = [str(Path(__file__).parents[2] / part / "src") for part in ("upstream-mock", "service-kit")]

both_loops = pytest.mark.parametrize(
    "anyio_backend",
    [("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})],
    ids=["asyncio", "uvloop"],
)
"""Runs a test on asyncio's loop, then on uvloop's: they report a lost connection in different ways."""


@dataclass
class Running:
    """A mock that serves."""

    mock: Mock
    data: int
    control: int
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def is_paused(self) -> bool:
        """Whether the data port accepts no connections just now."""
        return self.mock.faults.listener._spare is not None

    @property
    def log(self) -> RequestLog:
        assert self.mock.log is not None
        return self.mock.log

    async def send(self, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect and send; closed with the mock at the latest."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.data)
        self.writers.append(writer)
        writer.write(request)
        return reader, writer

    async def hang_up(self) -> None:
        """Close whatever `send` opened and the test left open."""
        for writer in self.writers:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def ask(self, head: str, *, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own: status, headers, and all bytes after them."""
        text = f"{head} HTTP/1.1\r\nhost: mock\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        reader, writer = await self.send(text.encode() + body)
        raw = await reader.read()
        writer.close()
        start, _, rest = raw.partition(b"\r\n\r\n")
        first, *lines = start.decode("latin-1").split("\r\n")
        return int(first.split()[1]), {name: value for name, _, value in (line.partition(": ") for line in lines)}, rest

    async def until(self, condition: Callable[[], bool]) -> None:
        await eventually(condition, within=10)


RunMock = Callable[..., AbstractAsyncContextManager[Running]]
Say = Callable[[str], None]


@contextlib.asynccontextmanager
async def serving_mock(**settings: object) -> AsyncIterator[Running]:
    mock = Mock(Settings(**settings))  # type: ignore[arg-type] # checked by pydantic
    tls = None if mock.settings.tls == "off" else server_context(mock.settings)
    servers = [data_server(mock, tls), control_server(mock)]
    # A user cannot set port 0, which is a free one.
    listeners = [
        listen("127.0.0.1", 0, host_variable="UPSTREAM_HOST", port_variable="UPSTREAM_PORT", backlog=backlog)
        for backlog in (mock.settings.backlog, 2048)
    ]
    pairs = zip(servers, listeners, strict=True)
    tasks = [asyncio.create_task(server.serve(sockets=[listener])) for server, listener in pairs]
    ports = [listener.getsockname()[1] for listener in listeners]
    for server in servers:
        await server.listening.wait()
    running = Running(mock, *ports)
    try:
        yield running
    finally:
        await running.hang_up()
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)


class MockProcess:
    """`python -m upstream_mock` with an environment of its own."""

    def __init__(self, *arguments: str, **variables: object) -> None:
        self.data, self.control = free_port(), free_port()
        ports = {"UPSTREAM_PORT": self.data, "UPSTREAM_CONTROL_PORT": self.control}
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(SOURCES), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "upstream_mock", *arguments],
            env=environment | {name: str(value) for name, value in (ports | variables).items()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """The next line it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def end(self, number: signal.Signals | None = None) -> tuple[int, str, str]:
        """Send a signal, if any, and wait: exit code, the rest of stdout, stderr."""
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=15)
        return self.process.returncode, out, err


StartProcess = Callable[..., MockProcess]
