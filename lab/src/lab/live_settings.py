"""Settings that services take while they run: which differ, what to send to change them and to take that back. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from lab.wire.service import ServiceConfig, VariableValues
from service_kit.variables import as_text


@dataclass(frozen=True)
class LiveChange:
    """A change that was made. `revision` is what /-/config has after it; another one: it was changed since."""

    revision: int | None


@dataclass(frozen=True)
class DifferingSetting:
    """A setting that was changed over HTTP: its value now and the one its service started with, as text."""

    variable: str
    value: str
    started_with: str


def is_altered(config: ServiceConfig, change: LiveChange | None) -> bool:
    """Whether somebody else changed a service over HTTP since it was started, or since that change of ours."""
    return config.changed if change is None else change.revision is None or change.revision != config.revision


def differing(before: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str | None]:
    """Return the variables to change, None for one that is to have its default again. An empty value is none."""
    before, wanted = _without_empty(before), _without_empty(wanted)
    return {name: wanted.get(name) for name in sorted({*before, *wanted}) if before.get(name) != wanted.get(name)}


def set_values(config: ServiceConfig) -> dict[str, str]:
    """Return the settings that can be changed as they are set: empty where unset, even if shown as what it comes to."""
    return {name: "" if name in config.derived else env_text(config.settings.get(name)) for name in config.changeable}


def requested(config: ServiceConfig, wanted: Mapping[str, str]) -> dict[str, str | None]:
    """Return what to PUT to a service so that it has these values, of the variables that it takes."""
    before = set_values(config)
    return differing(
        {name: value for name, value in before.items() if name in wanted},
        {name: value for name, value in wanted.items() if name in before},
    )


def undone(config: ServiceConfig, changes: Mapping[str, object]) -> VariableValues:
    """Return what to PUT to take changes back; `config` is from before them."""
    before = set_values(config)
    return {name: before.get(name) or None for name in changes}


def differing_settings(config: ServiceConfig) -> list[DifferingSetting]:
    """Return the settings of a service that are not as it started."""
    return [
        DifferingSetting(name, env_text(config.settings.get(name)), env_text(before))
        for name, before in config.started_with.items()
    ]


def env_text(value: JsonValue) -> str:
    """Return a value as it is written in .env, whole numbers without a fraction."""
    return f"{value:.15g}" if isinstance(value, float) else as_text(value)


def _without_empty(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value.strip() for name, value in variables.items() if value.strip()}
