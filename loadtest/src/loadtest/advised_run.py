"""A run with the advice of the one before it, as the start form would send it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from lab.live_settings import env_text, set_values
from lab.run_document import RunDocument
from lab.run_name import LONGEST_LABEL
from lab.run_settings import parts_of
from lab.wire.service import ServiceConfig, VariableValues

_LOAD_FIELDS = {"LOCUST_USERS": "user_count", "LOCUST_SPAWN_RATE": "spawn_rate", "LOCUST_RUN_TIME": "run_time"}
_OWN_PREFIX = "LAB_"


@dataclass(frozen=True)
class Advised:
    """What the advice of a run sets: `lines` as in .env, and `restart`, the variables that a restart is needed for."""

    lines: list[str]
    restart: list[str]


def advised(run: RunDocument, configs: Mapping[str, ServiceConfig]) -> Advised:
    """Return what the advice sets, and what of it the services do not take while they run."""
    advice = run.verdict.advice
    taken = _taken(configs)
    return Advised(advice.env_lines, [name for name in advice.set if name not in taken and _load_field(name) is None])


def advised_form(run: RunDocument, configs: Mapping[str, ServiceConfig]) -> dict[str, str]:
    """Return the start form of the same load and services with the advice, as far as they take it while they run."""
    load = run.settings.start.load or {}
    _, *services = parts_of(run.settings.start)
    taken = _taken(configs) - set(run.settings.derived)
    form = _load_form(load)
    for part in services:
        form |= {name.lower(): env_text(value) for name, value in (part or {}).items() if name in taken}
    for name, value in run.verdict.advice.variables.items():
        field = _load_field(name) or (name.lower() if name in _taken(configs) else None)
        if field is not None:
            form[field] = value
    if load.get("LOCUST_SPAWN_RATE") == load.get("LOCUST_USERS") and "user_count" in form:
        form["spawn_rate"] = form["user_count"]
    return form | {"run_label": f"{run.label or run.id[-4:]} advised"[:LONGEST_LABEL]}


def _load_form(load: VariableValues) -> dict[str, str]:
    fields = {_load_field(name): value for name, value in load.items()}
    return {field: env_text(value) for field, value in fields.items() if field is not None}


def _load_field(variable: str) -> str | None:
    """Return the field of the start form for a setting of the load."""
    own = variable.removeprefix(_OWN_PREFIX).lower() if variable.startswith(_OWN_PREFIX) else None
    return _LOAD_FIELDS.get(variable, own)


def _taken(configs: Mapping[str, ServiceConfig]) -> set[str]:
    return {name for config in configs.values() if config.fixed_because is None for name in set_values(config)}
