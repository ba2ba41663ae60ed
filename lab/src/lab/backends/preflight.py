"""What is checked before anything starts or restarts: each part's own --check of its environment, and the ports."""

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.backends.checkout import Checkout
from lab.backends.process_group import FinishedCommand, run_command
from lab.backends.service_spec import Port, ServiceSpec, Wires, port_numbers, process_environment
from service_kit.exits import ExitCode, UnavailableError, UsageError
from service_kit.listening import is_free, port_taken

_CHECK_SECONDS = 30.0


@dataclass(frozen=True)
class Check:
    """A part to ask: its command without `--check`, and the variables that it would get."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]

    @property
    def key(self) -> tuple[str, ...]:
        """What is the same for environments that need to be checked once only. A label is checked where it is made."""
        return (self.name, *sorted(f"{k}={v}" for k, v in self.environment.items() if k != "LAB_RUN_LABEL"))


class PassedChecks:
    """The checks that have passed already: runs on the same services ask only about what is new."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, ...]] = set()

    def new(self, checks: Iterable[Check]) -> list[Check]:
        """Return those that have not passed yet, each once."""
        return list({check.key: check for check in checks if check.key not in self._keys}.values())

    def add(self, checks: Iterable[Check]) -> None:
        self._keys.update(check.key for check in checks)


async def check_services(services: Sequence[ServiceSpec], variables: Mapping[str, str], checkout: Checkout) -> None:
    """Ask all services at once about what each would get, as far as that is known before they run.

    Raise UsageError with all their lines, UnavailableError if one cannot be asked.
    """
    await ask_checks(checks_of(services, variables, checkout), checkout)


async def ask_checks(checks: Sequence[Check], checkout: Checkout) -> None:
    """Ask parts about their environments. Raise as above."""
    await _ask_all(checks, "--check", checkout.root)


async def settings_in_force(
    services: Sequence[ServiceSpec], variables: Mapping[str, str], checkout: Checkout
) -> dict[str, str]:
    """Return what each service's --config prints, JSON as its /-/config, by the service's name. Raise as above."""
    answers = await _ask_all(checks_of(services, variables, checkout), "--config", checkout.root)
    return {check.name: answer.out for check, answer in answers}


def checks_of(services: Sequence[ServiceSpec], variables: Mapping[str, str], checkout: Checkout) -> list[Check]:
    wires = Wires(port_numbers(services, variables), checkout.runs)
    return [Check(spec.name, spec.argv, spec.environment(variables, wires)) for spec in services]


async def _ask_all(checks: Sequence[Check], argument: str, root: Path) -> list[tuple[Check, FinishedCommand]]:
    at_once = asyncio.Semaphore(max(os.cpu_count() or 1, 4))
    answers = await asyncio.gather(*(_ask(check, argument, root, at_once) for check in checks))
    broken = [
        f"{check.name} {argument} failed (exit {answer.code}): {answer.last_line}"
        for check, answer in answers
        if answer.code not in (ExitCode.OK, ExitCode.USAGE)
    ]
    if broken:
        raise UnavailableError("\n".join(broken))
    refused = [answer for _, answer in answers if answer.code == ExitCode.USAGE]
    mistakes = [line for answer in refused for line in answer.err.strip().splitlines()]
    if mistakes:
        raise UsageError(list(dict.fromkeys(mistakes)))
    return answers


async def _ask(check: Check, argument: str, root: Path, at_once: asyncio.Semaphore) -> tuple[Check, FinishedCommand]:
    environment = process_environment(check.environment)
    async with at_once:
        return check, await run_command((*check.argv, argument), environment, root, _CHECK_SECONDS)


def check_distinct(services: Iterable[ServiceSpec], variables: Mapping[str, str]) -> None:
    taken: dict[int, str] = {}
    for port in (port for spec in services for port in spec.ports):
        number = port.number(variables)
        if number in taken:
            raise UsageError(f"{port.variable}={number}: {taken[number]} is that too; give each its own port")
        taken[number] = port.variable


def check_free(
    ports: Iterable[Port],
    variables: Mapping[str, str],
    ours: Iterable[int] = (),
    in_compose: Mapping[int, str] | None = None,
) -> None:
    """Raise UnavailableError, a line for each port that is in use.

    `ours` are left out. `in_compose` are the ports of this checkout's own Compose project, and by which service.
    """
    held = set(ours)
    lines = [
        _taken(port, variables, (in_compose or {}).get(port.number(variables)))
        for port in ports
        if port.number(variables) not in held and not _is_free(port.host(variables), port.number(variables))
    ]
    if lines:
        raise UnavailableError("\n".join(lines))


def _is_free(host: str, port: int) -> bool:
    try:
        return is_free(host, port)
    except OSError as error:
        raise UnavailableError(f"cannot listen on {host}:{port}: {error.strerror}") from None


def _taken(port: Port, variables: Mapping[str, str], service: str | None) -> str:
    if service is None:
        return port_taken(port.variable, port.host(variables), port.number(variables))
    return (
        f"{port.variable}={port.number(variables)}: in use by the service {service} of this checkout's own "
        f"Docker Compose project; ./sandbox down stops it"
    )
