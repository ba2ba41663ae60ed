"""The Compose project of a checkout: what is asked of `docker compose`."""

import asyncio
import json
import os
import re
import shutil
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.backends.process_group import FinishedCommand, ProcessGroup, read_lines, run_command
from lab.backends.service_spec import LOOPBACK, Port
from lab.backends.services import LOCUST_WEB_PORT, PROXY_PORT, speaks_tls
from service_kit.exits import UnavailableError
from service_kit.listening import port_taken

PUBLISHED: tuple[Port, ...] = (PROXY_PORT, LOCUST_WEB_PORT)
"""The ports that Compose opens on this machine."""

_QUICK_SECONDS = 20.0
_WAIT_SECONDS = 120
_END_SECONDS = 5.0
_TAIL_LINES = 15
_PORT_IN_USE = re.compile(r"(\d+)(?:: bind: address already in use| failed: port is already allocated)")
"""What the engine answers to a port that is in use, with and without its userland proxy."""


@dataclass(frozen=True)
class Container:
    """A container of the project that runs. `ports` are those that it has opened on this machine."""

    service: str
    id: str
    is_healthy: bool = True
    ports: frozenset[int] = frozenset()


class ComposeProject:
    """The project with these variables on top of the shell. An empty one hides what .env has."""

    def __init__(self, root: Path, variables: Mapping[str, str]) -> None:
        self._root = root
        shell = {**os.environ, **variables}
        self.environment = {**shell, **tls_wiring(shell)}

    def is_possible(self) -> bool:
        """Whether there is a docker command, and a project in the checkout."""
        return shutil.which("docker") is not None and (self._root / "docker-compose.yml").is_file()

    async def why_not(self) -> str | None:
        """Return why Compose cannot be used here, in a few words; None if it can."""
        if shutil.which("docker") is None:
            return "there is no docker command"
        if not (self._root / "docker-compose.yml").is_file():
            return "there is no docker-compose.yml"
        if not await self.engine_version():
            return "no Docker engine answers"
        return None if await self.compose_version() else "docker has no compose plugin"

    async def engine_version(self) -> str | None:
        done = await self._quick("docker", "version", "--format", "{{.Server.Version}}")
        return done.out.strip() if done.code == 0 else None

    async def compose_version(self) -> str | None:
        done = await self._quick("docker", "compose", "version", "--short")
        return done.out.strip() if done.code == 0 else None

    async def containers(self) -> list[Container]:
        """Return the project's services that run; none if Compose cannot be asked."""
        done = await self._quick("docker", "compose", "ps", "--format", "json")
        return parse_containers(done.out) if done.code == 0 else []

    async def published_ports(self) -> dict[int, str]:
        """Return the ports that the project holds on this machine, and by which service."""
        containers = await self.containers() if self.is_possible() else []
        return {port: container.service for container in containers for port in container.ports}

    async def url(self, service: str) -> str | None:
        """Return the URL on this machine of a service that publishes a port; None if it is not up."""
        ports = [port for port, name in (await self.published_ports()).items() if name == service]
        return f"http://{LOOPBACK}:{ports[0]}" if ports else None

    async def up(
        self, services: Sequence[str] = (), build: bool = False, on_line: Callable[[str], None] = lambda _line: None
    ) -> None:
        """Start or recreate what differs, and wait until it is healthy."""
        options = ["--detach", "--wait", "--wait-timeout", str(_WAIT_SECONDS), *(["--build"] if build else [])]
        await self._long("up", *options, *services, on_line=on_line)

    async def restart(self, services: Sequence[str]) -> None:
        await self._long("restart", *services)

    async def down(self, timeout_seconds: int | None = None) -> None:
        """Stop and remove everything but the volume of the runs. What has not ended by the time-out is killed."""
        patience = [] if timeout_seconds is None else ["--timeout", str(timeout_seconds)]
        await self._long("--profile", "*", "down", "--remove-orphans", *patience)

    async def kill(self) -> None:
        await self._quick("docker", "compose", "--profile", "*", "kill", "--remove-orphans")

    async def follow_logs(self, since: str, colour: bool) -> ProcessGroup:
        """Start following the services' logs, those of recreated ones too."""
        ansi = "always" if colour else "never"
        argv = ("docker", "compose", "--ansi", ansi, "logs", "--follow", "--since", since)
        return await ProcessGroup.start(argv, self.environment, self._root)

    def run_argv(self, service: str, variables: Mapping[str, str], *more: str) -> tuple[str, ...]:
        """Return the command of a one-off container; `more` are options and, last, the service's arguments."""
        settings = [word for name, value in sorted(variables.items()) for word in ("-e", f"{name}={value}")]
        return ("docker", "compose", "run", "--rm", "-T", "--no-deps", *settings, *more, service)

    async def remove(self, container: str) -> None:
        await self._quick("docker", "rm", "--force", container)

    async def cat(self, service: str, path: str) -> bytes:
        """Return a file as that service would see it, out of its volume."""
        done = await self._quick(*self.run_argv(service, {}, "--entrypoint", "cat"), path)
        if done.code:
            raise UnavailableError(f"cannot fetch {path} from {service}'s volume: {done.err.strip()[-300:]}")
        return done.out.encode()

    async def _quick(self, *argv: str) -> FinishedCommand:
        return await run_command(argv, self.environment, self._root, _QUICK_SECONDS)

    async def _long(self, *arguments: str, on_line: Callable[[str], None] = lambda _line: None) -> None:
        argv = ("docker", "compose", "--progress", "plain", *arguments)
        group = await ProcessGroup.start(argv, self.environment, self._root)
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        try:
            async for line in read_lines(group.stdout):
                tail.append(line)
                on_line(line)
        except asyncio.CancelledError:
            # The whole group: docker passes no signal on to its plugin, which would go on to its own end.
            await group.end(_END_SECONDS, children_too=True)
            await group.wait()
            raise
        if code := await group.wait():
            raise UnavailableError(_failure(arguments[0], code, list(tail), self.environment))


def parse_containers(text: str) -> list[Container]:
    """Read what `ps --format json` prints: an object a line, or one list in older versions."""
    if text.lstrip().startswith("["):
        rows = json.loads(text)
    else:
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    return [_container(row) for row in rows]


def _container(row: Mapping[str, Any]) -> Container:
    # A service without a health check has no Health; a port that is not published has a PublishedPort of 0.
    ports = frozenset(int(each.get("PublishedPort") or 0) for each in row.get("Publishers") or ()) - {0}
    return Container(row["Service"], row["ID"], row.get("Health", "") in ("", "healthy"), ports)


def tls_wiring(variables: Mapping[str, str]) -> dict[str, str]:
    """Return what the proxy needs for a mock that speaks https, unless PROXY_UPSTREAM_URL is set.

    docker-compose.yml cannot do it: its `${NAME:+value}` takes UPSTREAM_TLS=off for set.
    """
    if not speaks_tls(variables) or variables.get("PROXY_UPSTREAM_URL", "").strip():
        return {}
    return {
        "PROXY_UPSTREAM_URL": "https://upstream-mock:8001",
        "PROXY_CA_FILE": variables.get("PROXY_CA_FILE", "").strip() or "/certificates/ca.pem",
    }


def _failure(verb: str, code: int, lines: Sequence[str], variables: Mapping[str, str]) -> str:
    """Return why Compose failed: the port that is in use, with the variable that moves it, or Compose's last lines."""
    in_use = {int(found[1]) for line in lines for found in _PORT_IN_USE.finditer(line)}
    taken = [port for port in PUBLISHED if port.number(variables) in in_use]
    if taken:
        return "\n".join(port_taken(port.variable, port.host(variables), port.number(variables)) for port in taken)
    return f"docker compose {verb} failed (exit {code}):\n" + "\n".join("  " + line for line in lines)
