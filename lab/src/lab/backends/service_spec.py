"""What is known of a service before it runs: how to start it, its ports, its variables."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.backends.variables import Variables, without_empty
from lab.wire.service import ServiceConfig

LOOPBACK = "127.0.0.1"
_EVERY_INTERFACE = ("0.0.0.0", "::", "")
_INHERITED = ("PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "SYSTEMROOT", "SSL_CERT_FILE", "SSL_CERT_DIR", "NO_COLOR")


@dataclass(frozen=True)
class Port:
    """A port that a service listens on, and the variables that move it."""

    variable: str
    default: int
    host_variable: str | None = None

    def number(self, variables: Mapping[str, str]) -> int:
        """Return its number, the default if the value is no port number: the service's own --check refuses that."""
        value = variables.get(self.variable, "").strip()
        return int(value) if value.isdecimal() and 0 < int(value) < 65536 else self.default

    def host(self, variables: Mapping[str, str]) -> str:
        return variables.get(self.host_variable or "", "").strip() or LOOPBACK

    def url(self, variables: Mapping[str, str], path: str = "") -> str:
        """Return its URL as seen from this machine."""
        host = self.host(variables)
        host = LOOPBACK if host in _EVERY_INTERFACE else host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.number(variables)}{path}"


@dataclass(frozen=True)
class Wires:
    """What a service's wiring is made from: the ports of all, and the /-/config of those it waits for."""

    ports: Mapping[str, int]
    runs: Path
    configs: Mapping[str, ServiceConfig] = field(default_factory=dict)


def no_wiring(_wires: Wires) -> Variables:
    return {}


@dataclass(frozen=True)
class ServiceSpec:
    """A service: how it is started, which variables it gets, and how it shows that it is ready.

    `wiring` gives the variables that connect it to the others, unless the user sets them. `after` names the
    services that must be ready before it starts, because its wiring reads their /-/config (on the port of their
    ready page, a document of the type `config`). `takes_changes`: it may take other settings by PUT /-/config.
    `colour` is an ANSI number.
    """

    name: str
    argv: tuple[str, ...]
    prefixes: tuple[str, ...]
    ports: tuple[Port, ...]
    ready_port: Port
    ready_path: str
    config: type[ServiceConfig] = ServiceConfig
    colour: int = 36
    wiring: Callable[[Wires], Variables] = no_wiring
    after: tuple[str, ...] = ()
    takes_changes: bool = False

    def environment(self, variables: Mapping[str, str], wires: Wires) -> Variables:
        """Return all that its process gets of the sandbox's variables: its own prefixes, wired."""
        own = {name: value for name, value in variables.items() if name.startswith(self.prefixes)}
        return {**self.wiring(wires), **without_empty(own)}

    def ready_url(self, environment: Mapping[str, str]) -> str:
        return self.ready_port.url(environment, self.ready_path)

    def config_url(self, environment: Mapping[str, str]) -> str:
        return self.ready_port.url(environment, "/-/config")


def port_numbers(services: Iterable[ServiceSpec], variables: Mapping[str, str]) -> dict[str, int]:
    return {port.variable: port.number(variables) for spec in services for port in spec.ports}


def process_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of a process: its own variables and the little that any program needs."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    locale = {name: value for name, value in os.environ.items() if name.startswith("LC_")}
    return {**inherited, **locale, "PYTHONUNBUFFERED": "1", **environment}
