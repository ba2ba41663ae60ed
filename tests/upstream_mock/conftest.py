"""A mock upstream on ephemeral ports in the test's own loop, and one as a process."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvloop

from service_kit.listening import free_port, listen
from upstream_mock.certificates import server_context
from upstream_mock.server import control_server, data_server
from upstream_mock.settings import Settings
from upstream_mock.state import Mock

SOURCES = [str(Path(__file__).parents[2] / part / "src") for part in ("upstream-mock", "service-kit")]


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
        return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), rest

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds, for at most 10 seconds."""
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.005)


RunMock = Callable[..., AbstractAsyncContextManager[Running]]


@contextlib.asynccontextmanager
async def _run_mock(**settings: object) -> AsyncIterator[Running]:
    mock = Mock(Settings(**settings))  # type: ignore[arg-type]
    told = mock.settings
    secure = None if told.tls == "off" else server_context(told)
    servers = [data_server(mock, secure), control_server(mock)]
    # Port 0 is none a user may set, but the way to one that nobody has.
    variables = {"host_variable": "UPSTREAM_HOST", "port_variable": "UPSTREAM_PORT"}
    sockets = [listen("127.0.0.1", 0, backlog=told.backlog, **variables), listen("127.0.0.1", 0, **variables)]
    ports = [each.getsockname()[1] for each in sockets]
    pairs = zip(servers, sockets, strict=True)
    tasks = [asyncio.create_task(server.serve(sockets=[listener])) for server, listener in pairs]
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


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def on_loop(request: pytest.FixtureRequest) -> Callable[[Coroutine[object, object, None]], None]:
    """Runs a coroutine on asyncio's loop, then on uvloop's: they tell of a lost connection in their own ways."""

    def run(main: Coroutine[object, object, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(main)

    return run


@pytest.fixture
def run_mock() -> RunMock:
    """An async context manager: a mock with these settings, serving."""
    return _run_mock


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("UPSTREAM_"):
            monkeypatch.delenv(name)


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


@pytest.fixture
def start_process() -> Iterator[Callable[..., MockProcess]]:
    """Starts mocks as processes, and ends those that the test leaves."""
    started: list[MockProcess] = []

    def start(*arguments: str, **variables: object) -> MockProcess:
        started.append(MockProcess(*arguments, **variables))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()


@pytest.fixture
def quiet() -> Callable[[], bool]:
    """Says whether the machine was ours just now: a busy 20 ms took at most 25 ms."""

    def probe() -> bool:
        began, spent = time.monotonic(), time.process_time()
        while time.process_time() - spent < 0.02:
            pass
        return time.monotonic() - began < 0.025

    return probe
