"""The services' settings as fields of Locust's start form: what they show, and what a sent form changes. Pure.

A field has its variable's name: `PROXY_MAX_CONNECTIONS` is the option `proxy_max_connections`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lab.live_settings import differing_settings, requested, set_values
from lab.wire.service import ServiceConfig

_LONGEST_HELP = 40
_VARIABLE = re.compile(r"[A-Z][A-Z_]+(?==)")


@dataclass(frozen=True)
class ServiceField:
    """One field: its variable, the value in force, a short text about it, and what can be chosen, nothing if open."""

    variable: str
    value: str
    help: str
    choices: tuple[str, ...]

    @property
    def name(self) -> str:
        """The option behind the field."""
        return self.variable.lower()


def service_fields(configs: Mapping[str, ServiceConfig]) -> list[ServiceField]:
    """Return a field for each variable that a service takes while it runs; `configs` are by service, in order."""
    return [
        ServiceField(name, value, _help(config, name), tuple(config.changeable[name].choices))
        for config in configs.values()
        for name, value in set_values(config).items()
    ]


def requested_changes(
    configs: Mapping[str, ServiceConfig], form: Mapping[str, str]
) -> dict[str, dict[str, str | None]]:
    """Return what a form changes, by service: variables and their new values, None for unset."""
    wanted = {name.upper(): value for name, value in form.items()}
    changes = {service: requested(config, wanted) for service, config in configs.items()}
    return {service: each for service, each in changes.items() if each}


def by_field(lines: Iterable[str]) -> dict[str, str]:
    """Return the services' mistakes by the name of the field they are about; a line begins with `VARIABLE=`."""
    named = {line: _VARIABLE.match(line) for line in lines}
    return {found[0].lower(): line for line, found in named.items() if found is not None}


def _help(config: ServiceConfig, variable: str) -> str:
    """Return what is allowed, shortened; before it that the variable needs a restart, or what .env has instead."""
    if config.fixed_because is not None:
        return f"restart: {variable} in .env"
    allowed = config.changeable[variable].allowed
    short = allowed if len(allowed) <= _LONGEST_HELP else f"{allowed[:_LONGEST_HELP].rsplit(', ', 1)[0]}, ..."
    before = [one.started_with or "unset" for one in differing_settings(config) if one.variable == variable]
    return "; ".join([*(f".env: {value}" for value in before), *([short] if short else [])])
