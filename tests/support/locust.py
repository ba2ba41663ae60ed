"""Locust as a real process, and a tiny target for it that answers like the proxy and the mock."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from support.eventually import eventually_sync
from support.servers import environment, free_port

LIMIT, HOLD_SECONDS = 4, 0.02
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Target:
    """Proxy and mock in one: at most `limit` requests at once, HOLD_SECONDS each; counts per run. `/boom` fails.

    `dead`: it cuts each connection instead of answering.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.received: dict[str, int] = {}
        self.finished_at: list[float] = []
        self.received_at: list[float] = []
        self.in_flight = self.waiting = self.opened = 0
        self.wait_ms = self.hold_ms = 0.0
        self.run_id: str | None = None
        self.faults: list[str] = []
        self.dead = False
        self._began = time.monotonic()
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> "Target":
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        """The address of both."""
        return f"http://127.0.0.1:{self.port}"

    def limit_to(self, limit: int) -> None:
        """Take no more than so many requests at once."""
        self.limit = limit
        self._free = asyncio.Semaphore(limit)

    async def _serve(self) -> None:
        self._free = asyncio.Semaphore(self.limit)
        self._stopped = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stopped.wait()
        server.close()
        for writer in list(self._writers):
            writer.close()
        while self._writers:
            await asyncio.sleep(0.01)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
                if self.dead:
                    break
                status, kind, body = await self._answer(head[0].split(" ")[1], headers.get("x-sandbox-run"))
                length = f"content-length: {len(body)}"
                writer.write(f"HTTP/1.1 {status}\r\n{kind}\r\n{length}\r\n\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self._writers.discard(writer)

    async def _answer(self, path: str, run_id: str | None) -> tuple[str, str, bytes]:
        if path.startswith("/-/"):
            return "200 OK", "content-type: application/json", json.dumps(self._own(path)).encode()
        assert run_id
        self.run_id = run_id
        self.received[run_id] = self.received.get(run_id, 0) + 1
        self.in_flight, self.waiting, asked = self.in_flight + 1, self.waiting + 1, time.monotonic()
        self.received_at.append(asked)
        async with self._free:
            self.waiting -= 1
            got = time.monotonic()
            self.wait_ms += (got - asked) * 1000
            await asyncio.sleep(HOLD_SECONDS)
            self.hold_ms += (time.monotonic() - got) * 1000
        self.in_flight -= 1
        self.finished_at.append(time.monotonic())
        if path == "/boom":
            return "503 Service Unavailable", "x-proxy-error: pool_exhausted", b"{}"
        return "200 OK", "content-type: text/plain", b"ok"

    def _own(self, path: str) -> dict[str, Any]:
        total = sum(self.received.values())
        if path == "/-/config":
            settings = {"PROXY_MAX_CONNECTIONS": self.limit, "UPSTREAM_LATENCY": "constant(20ms)"}
            return {"service": "target", "settings": settings, "versions": {"python": "3"}}
        if path.startswith("/-/ledger?"):
            return {"next": None, "dropped": 0, "entries": []}
        if path == "/-/faults":
            return {"rules": self.faults}
        if path == "/-/pool":
            mine = self.received.get(self.run_id or "", 0)
            return {
                "workers": 1,
                "max": self.limit,
                "total": self.limit,
                "active": self.in_flight - self.waiting,
                "idle": 0,
                "waiting": self.waiting,
                "opened": self.limit,
                "reused": total,
                "closed": 0,
                "timeouts": 0,
                "wait_ms": {"count": total, "sum": self.wait_ms, "histogram": {"50.0": total}},
                "hold_ms": {"count": total, "sum": self.hold_ms},
                "requests": {"received": total},
                "run": {
                    "id": self.run_id,
                    "received": mine,
                    "answered": mine - self.in_flight,
                    "failed": 0,
                    "aborted": 0,
                    "in_flight": self.in_flight,
                    "active_max": self.limit,
                    "waiting_max": self.waiting,
                },
                "process": {"cpu_seconds": 0.0, "workers": [{"pid": 1}]},
            }
        runs = {
            run: {"started": count, "completed": count, "abandoned": 0, "in_flight": 0}
            for run, count in self.received.items()
        }
        process = {"cpu_seconds": 0.0, "uptime_seconds": time.monotonic() - self._began}
        connections = {"accepted": self.limit, "open": self.limit, "closed": 0}
        return {"connections": connections, "runs": runs, "process": process}


def run_variables(target: Target, runs: Path) -> dict[str, str]:
    """The environment of a short headless run against the target; the link does not answer."""
    return environment(
        LOCUST_HOST=target.url,
        LOCUST_USERS=8,
        LOCUST_RUN_TIME="1s",
        LAB_RUNS_DIR=runs,
        LAB_UPSTREAM_CONTROL_URL=target.url,
        LAB_NET_CONTROL_URL=f"http://127.0.0.1:{free_port()}",
    )


@contextmanager
def locust(variables: dict[str, str], **more: str) -> Iterator[subprocess.Popen[str]]:
    """Run `python -m loadtest` in a process group of its own, and leave nothing of it behind."""
    process = subprocess.Popen(
        [sys.executable, "-m", "loadtest"],
        env=variables | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


class RunLocust(Protocol):
    """Starts Locust with more variables."""

    def __call__(self, **more: str) -> AbstractContextManager[subprocess.Popen[str]]: ...


class WebUi:
    """Locust's web UI, called as its page calls it."""

    def __init__(self, url: str, process: subprocess.Popen[str], target: Target) -> None:
        self.url, self.process, self.target = url, process, target
        self.log = ""

    def text(self, path: str, form: dict[str, Any] | None = None, *, post: bool = False) -> str:
        """Return what a path answers to GET, or to a form."""
        data = urllib.parse.urlencode(form or {}).encode() if form is not None or post else None
        with NO_PROXY.open(urllib.request.Request(self.url + path, data=data), timeout=30) as answer:
            return str(answer.read().decode())

    def json(self, path: str, form: dict[str, Any] | None = None) -> Any:
        """Return what a path answers, parsed."""
        return json.loads(self.text(path, form))

    def start(self, **form: Any) -> dict[str, Any]:
        """Send the start form."""
        whole = {"user_count": 8, "spawn_rate": 8, "host": self.target.url, "run_time": "1s", **form}
        return dict(self.json("/swarm", whole))

    def finished(self, known: int) -> dict[str, Any]:
        """Wait for one more run than were known, and return its document."""
        eventually_sync(lambda: len(self.json("/lab/runs.json")) > known, 20)
        return dict(self.json(f"/lab/runs/{self.json('/lab/runs.json')[0]['id']}.json"))

    def busy(self) -> None:
        """Wait until the run under way has made some requests."""
        known = sum(self.target.received.values())
        eventually_sync(lambda: sum(self.target.received.values()) >= known + 20, 20)

    def wait_until_announced(self) -> None:
        """Read what Locust logs, into `log`, until the line with its address."""
        assert self.process.stderr is not None
        while self.log.splitlines()[-1:] != [f"locust: {self.url}"]:
            line = self.process.stderr.readline()
            assert line, f"the address was never logged: {self.log}"
            self.log += line


@contextmanager
def serving(variables: dict[str, str], target: Target, **more: str) -> Iterator[WebUi]:
    """Run Locust with its web UI on a port of its own, until it serves."""
    port = free_port()

    def answers() -> bool:
        assert process.poll() is None, process.communicate()[1]
        try:
            return bool(ui.json("/lab/health"))
        except OSError:
            return False

    with locust(variables, LOCUST_WEB_PORT=str(port), **more) as process:
        ui = WebUi(f"http://127.0.0.1:{port}{more.get('LOCUST_WEB_BASE_PATH', '')}", process, target)
        eventually_sync(answers, 30)
        yield ui
