"""A clone of this checkout with ports, a run folder and a Compose project of its own, driven as a user drives it."""

import http.client
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.eventually import eventually_sync
from support.servers import ROOT, free_port

PORT_VARIABLES = (
    "PROXY_PORT",
    "UPSTREAM_PORT",
    "UPSTREAM_CONTROL_PORT",
    "NET_PORT",
    "NET_CONTROL_PORT",
    "LOCUST_WEB_PORT",
)
_KEPT_SETTINGS = ("PATH", "HOME", "LANG", "TMPDIR", "CI", "DOCKER_HOST", "DOCKER_CONFIG")


@dataclass
class Clone:
    """A checkout of its own. `environment` is the shell that commands run in."""

    root: Path
    environment: dict[str, str]
    ports: dict[str, int] = field(default_factory=dict)
    measured: list[str] = field(default_factory=list)

    @property
    def proxy(self) -> str:
        """The proxy's address."""
        return f"http://127.0.0.1:{self.ports['PROXY_PORT']}"

    @property
    def ui(self) -> str:
        """The Locust UI's address."""
        return f"http://127.0.0.1:{self.ports['LOCUST_WEB_PORT']}"

    def command(
        self, *words: str, timeout: float = 180, expect: int | None = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the clone and hold its exit code to what is expected."""
        done = subprocess.run(
            words,
            cwd=self.root,
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if expect is not None:
            assert done.returncode == expect, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def sandbox(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run ./sandbox."""
        return self.command("./sandbox", *words, **options)

    def run_json(self, *words: str, **options: Any) -> dict[str, Any]:
        """Run ./sandbox run --json and return the run document."""
        document: dict[str, Any] = json.loads(self.sandbox("run", "--json", *words, **options).stdout)
        return document

    def get(self, url: str, timeout: float = 5) -> Any:
        """Return the JSON at a URL."""
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return json.load(answer)

    def until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until something is true; a service that is just being restarted has not answered yet."""

        def answered() -> bool:
            with suppress(OSError, http.client.HTTPException):
                return condition()
            return False

        eventually_sync(answered, within=seconds)

    def in_flight(self) -> int:
        """Return how many requests are in the proxy."""
        count: int = self.get(f"{self.proxy}/-/pool")["requests"]["in_flight"]
        return count

    def answered(self) -> int:
        """Return how many requests the proxy has answered."""
        count: int = self.get(f"{self.proxy}/-/pool")["requests"]["answered"]
        return count

    def start(self, users: int, seconds: int, **options: str) -> dict[str, Any]:
        """Send the UI's start form and return what is answered."""
        form = {"user_count": str(users), "spawn_rate": str(users), "run_time": f"{seconds}s"} | options
        body = "&".join(f"{key}={value}" for key, value in form.items()).encode()
        with urllib.request.urlopen(f"{self.ui}/swarm", data=body, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def ui_run(self, users: int, seconds: int, timeout: float = 60, **options: str) -> dict[str, Any]:
        """Start a run as the UI's form does and return its document."""
        before = {row["id"] for row in self.get(f"{self.ui}/lab/runs.json")}
        assert self.start(users, seconds, **options)["success"]

        def new_ids() -> list[str]:
            return [row["id"] for row in self.get(f"{self.ui}/lab/runs.json") if row["id"] not in before]

        run_id = eventually_sync(new_ids, within=seconds + timeout)[0]
        document: dict[str, Any] = self.get(f"{self.ui}/lab/runs/{run_id}.json")
        return document


@contextmanager
def clone() -> Iterator[Clone]:
    """Copy the checkout to a temporary folder; the .venv is shared, everything else is its own."""
    root = Path(tempfile.mkdtemp(prefix="pool-sandbox-"))
    try:
        ignore = shutil.ignore_patterns(
            ".git", ".venv", ".sandbox", ".env", "runs", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"
        )
        shutil.copytree(ROOT, root, dirs_exist_ok=True, ignore=ignore)
        (root / ".venv").symlink_to(ROOT / ".venv")
        ports = {name: free_port() for name in PORT_VARIABLES}
        environment = {name: value for name, value in os.environ.items() if name in _KEPT_SETTINGS}
        environment |= {name: str(port) for name, port in ports.items()}
        environment["COMPOSE_PROJECT_NAME"] = f"pool-sandbox-test-{secrets.token_hex(3)}"
        yield Clone(root, environment, ports)
    finally:
        shutil.rmtree(root, ignore_errors=True)


class Foreground:
    """A command that stays in the foreground, with its output collected."""

    def __init__(self, here: Clone, *words: str, **variables: str) -> None:
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            words,
            cwd=here.root,
            env=here.environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Foreground":
        return self

    def __exit__(self, *_: object) -> None:
        """End it, whatever it is doing."""
        if self.process.poll() is None:
            self.stop()
        self._reader.join(5)

    @property
    def output(self) -> str:
        """All it has printed."""
        return "".join(self._lines)

    def until(self, pattern: str, timeout: float) -> float:
        """Wait until its output matches and return the seconds since it was started."""
        while time.monotonic() - self.began < timeout:
            if re.search(pattern, self.output):
                return time.monotonic() - self.began
            assert self.process.poll() is None, f"exit {self.process.returncode}\n{self.output}"
            time.sleep(0.02)
        raise AssertionError(f"no {pattern!r} within {timeout} s\n{self.output}")

    def stop(self, number: int = signal.SIGINT, timeout: float = 60) -> int:
        """Send it a signal, wait for its end and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout)
        self._reader.join(5)
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self._lines.append(line)
