"""Whether ports can be had, said with the variable that moves them."""

import errno
import socket
from collections.abc import Iterable, Mapping

from lab.backends.errors import SurroundingsFailed, UsageMistake
from lab.backends.service_spec import Port, ServiceSpec


def is_free(host: str, port: int) -> bool:
    """Whether that port can be listened on now; one that merely lingers in TIME_WAIT can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise SurroundingsFailed(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return True


def check_distinct(services: Iterable[ServiceSpec], variables: Mapping[str, str]) -> None:
    """Raise UsageMistake if two services are given the same port."""
    taken: dict[int, str] = {}
    for port in (port for spec in services for port in spec.ports):
        number = port.number(variables)
        if number in taken:
            raise UsageMistake(f"{port.variable}={number}: {taken[number]} is that too; give each its own port")
        taken[number] = port.variable


def check_free(ports: Iterable[Port], variables: Mapping[str, str], ours: Iterable[int] = ()) -> None:
    """Raise SurroundingsFailed, a line for each port that somebody else has. `ours` are left out."""
    held = set(ours)
    lines = [
        f"{port.variable}={port.number(variables)}: already in use on {port.host(variables)}; "
        f"set {port.variable} to a free port"
        for port in ports
        if port.number(variables) not in held and not is_free(port.host(variables), port.number(variables))
    ]
    if lines:
        raise SurroundingsFailed("\n".join(lines))
