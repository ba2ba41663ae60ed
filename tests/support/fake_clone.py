"""A clone of fake services for one test: its own folder, its own ports, its own commands."""

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lab.backends.variables import is_sandbox_variable
from support import fake_services

PORTS = tuple(port.variable for spec in fake_services.SERVICES for port in spec.ports)


def free_ports(count: int) -> list[int]:
    """Return ports that are free at the moment, all different."""
    with ExitStack() as sockets:
        bound = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in bound:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in bound]


class FakeClone:
    """A folder with services that are up or not."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))

    def environment(self, **more: str) -> dict[str, str]:
        """Return what a command of this clone gets."""
        clean = {name: value for name, value in os.environ.items() if not is_sandbox_variable(name)}
        # No docker command: what is tested here must not look at an engine.
        clean["PATH"] = str(self.root / "bin")
        return {**clean, **{name: str(port) for name, port in self.ports.items()}, **more}

    def start(self, *arguments: str, **more: str) -> "subprocess.Popen[str]":
        """Start a command."""
        command, environment, pipe = self.command(*arguments), self.environment(**more), subprocess.PIPE
        return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True)

    def command(self, *arguments: str) -> list[str]:
        """Return the command line."""
        return [sys.executable, fake_services.__file__, "sandbox", str(self.root), *arguments]

    def run(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        with self.start(*arguments, **more) as process:
            out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    @contextmanager
    def up(self, **more: str) -> Iterator["subprocess.Popen[str]"]:
        """Have everything up, and bring it down again."""
        with self.start("up", "--processes", **more) as process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    if "is ready" in line:
                        break
                yield process
            finally:
                process.terminate()
                process.communicate(timeout=30)

    @contextmanager
    def part(self, service: str) -> Iterator[None]:
        """Have one service up by itself, as a container of it would be."""
        spec = next(spec for spec in fake_services.SERVICES if spec.name == service)
        with subprocess.Popen(spec.argv, env=self.environment(), stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                process.stdout.readline()
                yield
            finally:
                process.kill()

    def config(self, service: str) -> dict[str, Any]:
        """Return a service's /-/config; {} if it does not answer."""
        spec = next(spec for spec in fake_services.SERVICES if spec.name == service)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[spec.ready_port.variable]}/-/config") as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except OSError:
            return {}

    def pids(self) -> dict[str, int]:
        """Return the processes of the services that answer."""
        found = {spec.name: self.config(spec.name).get("pid") for spec in fake_services.SERVICES}
        return {name: pid for name, pid in found.items() if pid}

    def open_ports(self) -> list[str]:
        """Return the variables of the ports that are listened on."""
        return [name for name, port in self.ports.items() if _is_open(port)]


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
