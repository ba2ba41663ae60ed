"""The proxy in the test's own loop, and parts as real processes."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from proxy.app import create_app
from proxy.settings import ServerSettings, Settings
from service_kit.listening import free_port as free_port

ROOT = Path(__file__).parents[2]
SOURCES = [
    ROOT / part / "src" for part in ("proxy", "poolwatch", "upstream-mock", "link", "loadtest", "lab", "service-kit")
]


@dataclass
class RunningProxy:
    """A proxy that serves on a port."""

    port: int

    async def pool(self) -> dict[str, Any]:
        """Return `/-/pool`."""
        import json

        from support.raw_http import get, roundtrip, split

        document: dict[str, Any] = json.loads(split(await roundtrip(self.port, get("/-/pool")))[2])
        return document


class _Server(uvicorn.Server):
    """uvicorn that ends at once when it is told to, not at its next tick."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told = asyncio.Event()

    async def main_loop(self) -> None:
        """Serve until told."""
        await self.told.wait()


@asynccontextmanager
async def running_proxy(
    upstream_url: str,
    *,
    http: str = "proxy.forward.httptools_protocol:HttpToolsConnection",
    limit_concurrency: int | None = None,
    timeout_keep_alive: float = 5,
    ledger_entries: int = 1000,
    **settings: object,
) -> AsyncIterator[RunningProxy]:
    """Serve the proxy by uvicorn in this loop, with the proxy's own protocol or another one.

    The ledger is small: to make and to remove the file of one of 20,000 entries is a third of a start.
    """
    chosen = Settings(upstream_url=upstream_url, ledger_entries=ledger_entries, **settings)  # type: ignore[arg-type] # checked by pydantic
    app = create_app(chosen, ServerSettings())
    config = uvicorn.Config(
        app,
        port=0,
        http=http,
        limit_concurrency=limit_concurrency,
        timeout_keep_alive=timeout_keep_alive,  # type: ignore[arg-type] # a part of a second does as well
        ws="none",
        log_level="critical",
        access_log=False,
        date_header=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
    )
    server = _Server(config)
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.005)
        assert not task.done(), task.exception()
    try:
        yield RunningProxy(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        server.told.set()
        await task


def environment(**variables: object) -> dict[str, str]:
    """Return an environment for a part: nothing of this shell's settings, the sources on the path, and these."""
    clean = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    path = os.pathsep.join(str(source) for source in SOURCES)
    return clean | {"PYTHONPATH": path} | {name: str(value) for name, value in variables.items()}


def uncovered() -> dict[str, str]:
    """Return this environment without what lets each Python started measure coverage.

    That costs a tenth of a second at each start and nearly doubles the rest: for what has nothing of ours to measure.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


@dataclass
class Part:
    """A part as a process."""

    process: subprocess.Popen[str]

    def stop(self, number: int = signal.SIGTERM, timeout: float = 15) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout)


@contextmanager
def part(name: str, ready_url: str, **variables: object) -> Iterator[Part]:
    """Run `python -m name` until it answers 200 at a URL; killed at the end if it is still there."""
    process = subprocess.Popen(
        [sys.executable, "-m", name], env=environment(**variables), stderr=subprocess.PIPE, text=True
    )
    try:
        _until_ready(process, ready_url)
        yield Part(process)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def _until_ready(process: subprocess.Popen[str], url: str, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if process.poll() is not None:
            assert process.stderr is not None
            raise AssertionError(f"exit {process.returncode}: {process.stderr.read()}")
        with suppress(OSError, urllib.error.URLError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"{url} did not answer within {timeout} s")


def check(name: str, *arguments: str, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run `python -m name` to its end."""
    command = [sys.executable, "-m", name, *arguments]
    return subprocess.run(command, env=environment(**variables), capture_output=True, text=True, timeout=30)
