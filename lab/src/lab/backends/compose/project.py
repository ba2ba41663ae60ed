"""What is asked of `docker compose`."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.backends.errors import SurroundingsFailed
from lab.backends.process_group import read_lines
from lab.backends.services import speaks_tls

_QUICK_SECONDS = 20.0
_WAIT_SECONDS = 120
_END_SECONDS = 5.0
_TAIL_LINES = 15


@dataclass(frozen=True)
class Container:
    """A container of the project that runs."""

    service: str
    id: str
    is_healthy: bool = True


class Compose:
    """The Compose project of a clone, with these variables on top of the shell. An empty one hides what .env says."""

    def __init__(self, root: Path, variables: Mapping[str, str]) -> None:
        self._root = root
        shell = {**os.environ, **variables}
        self.environment = {**shell, **tls_wiring(shell)}

    def is_possible(self) -> bool:
        """Whether there is anything to ask: a docker command, and a project in the clone."""
        return shutil.which("docker") is not None and (self._root / "docker-compose.yml").is_file()

    async def why_not(self) -> str | None:
        """Return in a few words why Compose cannot be used here; None if it can."""
        if shutil.which("docker") is None:
            return "there is no docker command"
        if not (self._root / "docker-compose.yml").is_file():
            return "there is no docker-compose.yml"
        if not await self.engine_version():
            return "no Docker engine answers"
        return None if await self.compose_version() else "docker has no compose plugin"

    async def engine_version(self) -> str | None:
        """Return the engine's version, None if no engine answers."""
        code, out, _ = await self._quick("docker", "version", "--format", "{{.Server.Version}}")
        return out.strip() if code == 0 else None

    async def compose_version(self) -> str | None:
        """Return Compose's version, None if the plugin is missing."""
        code, out, _ = await self._quick("docker", "compose", "version", "--short")
        return out.strip() if code == 0 else None

    async def containers(self) -> list[Container]:
        """Return the project's services that run; none if Compose cannot be asked."""
        code, out, _ = await self._quick("docker", "compose", "ps", "--format", "json")
        return [_container(row) for row in parse_rows(out)] if code == 0 else []

    async def published(self, service: str, port: int) -> str | None:
        """Return the address on this machine of a service's port, such as 127.0.0.1:8089; None if it is not up."""
        code, out, _ = await self._quick("docker", "compose", "port", service, str(port))
        return out.strip() or None if code == 0 else None

    async def up(
        self, services: Sequence[str] = (), build: bool = False, on_line: Callable[[str], None] = print
    ) -> None:
        """Start or recreate what differs, and wait until it is healthy."""
        options = ["--detach", "--wait", "--wait-timeout", str(_WAIT_SECONDS), *(["--build"] if build else [])]
        await self._long(on_line, "up", *options, *services)

    async def restart(self, services: Sequence[str]) -> None:
        """Start services anew as they are."""
        await self._long(lambda _line: None, "restart", *services)

    async def down(self, timeout_seconds: int | None = None) -> None:
        """Stop and remove everything but the volume of the runs. What has not ended by the time-out is killed."""
        patience = [] if timeout_seconds is None else ["--timeout", str(timeout_seconds)]
        await self._long(lambda _line: None, "--profile", "*", "down", "--remove-orphans", *patience)

    async def kill(self) -> None:
        """End all containers at once."""
        await self._quick("docker", "compose", "--profile", "*", "kill", "--remove-orphans")

    def logs_argv(self, since: str, colour: bool) -> tuple[str, ...]:
        """Return the command that follows the services' logs, those of recreated ones too."""
        ansi = "always" if colour else "never"
        return ("docker", "compose", "--ansi", ansi, "logs", "--follow", "--since", since)

    def run_argv(self, service: str, variables: Mapping[str, str], *more: str) -> tuple[str, ...]:
        """Return the command of a one-off container; `more` are options and, last, the service's arguments."""
        settings = [word for name, value in sorted(variables.items()) for word in ("-e", f"{name}={value}")]
        return ("docker", "compose", "run", "--rm", "-T", "--no-deps", *settings, *more, service)

    async def remove(self, container: str) -> None:
        """End and remove a container, if it is still there."""
        await self._quick("docker", "rm", "--force", container)

    async def cat(self, service: str, path: str) -> bytes:
        """Return a file as that service would see it, out of its volume."""
        argv = (*self.run_argv(service, {}, "--entrypoint", "cat"), path)
        code, out, err = await self._quick(*argv)
        if code:
            raise SurroundingsFailed(f"cannot fetch {path} from {service}'s volume: {err.strip()[-300:]}")
        return out.encode()

    async def _quick(self, *argv: str) -> tuple[int, str, str]:
        if shutil.which(argv[0]) is None:
            return 127, "", f"there is no {argv[0]} command"
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=self._root,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_QUICK_SECONDS):
                out, err = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            return 124, "", f"{' '.join(argv[:3])} did not end within {_QUICK_SECONDS:.0f} s"
        return process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace")

    async def _long(self, on_line: Callable[[str], None], *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            "docker",
            "compose",
            "--progress",
            "plain",
            *arguments,
            cwd=self._root,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        assert process.stdout is not None
        try:
            async for line in read_lines(process.stdout):
                tail.append(line)
                on_line(line)
        except asyncio.CancelledError:
            await _end_group(process)
            raise
        if await process.wait():
            last = "\n".join("  " + line for line in tail)
            raise SurroundingsFailed(f"docker compose {arguments[0]} failed (exit {process.returncode}):\n{last}")


async def _end_group(process: asyncio.subprocess.Process) -> None:
    """End a docker command and its plugin: docker passes no signal on, Compose would go on to its own end."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await process.wait()
                return


def _container(row: dict[str, Any]) -> Container:
    """Read one row of `ps`; a service without a health check has no Health."""
    return Container(row["Service"], row["ID"], row.get("Health", "") in ("", "healthy"))


def tls_wiring(variables: Mapping[str, str]) -> dict[str, str]:
    """Return what the proxy needs for a mock that speaks https, unless it is told itself which upstream to call.

    docker-compose.yml cannot say it: its `${NAME:+value}` takes UPSTREAM_TLS=off for set.
    """
    if not speaks_tls(variables) or variables.get("PROXY_UPSTREAM_URL", "").strip():
        return {}
    return {
        "PROXY_UPSTREAM_URL": "https://upstream-mock:8001",
        "PROXY_CA_FILE": variables.get("PROXY_CA_FILE", "").strip() or "/certificates/ca.pem",
    }


def parse_rows(text: str) -> list[dict[str, Any]]:
    """Read what `--format json` prints: an object a line, or one list in older versions."""
    if text.lstrip().startswith("["):
        rows: list[dict[str, Any]] = json.loads(text)
        return rows
    return [json.loads(line) for line in text.splitlines() if line.strip()]
