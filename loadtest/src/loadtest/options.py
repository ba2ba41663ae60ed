"""The sandbox's own options on Locust's start form and command line.

No digits in option names: Locust's web form posts `slo_p99` as `slo_p9_9`, and the server ignores it silently.
"""

from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import TypeAdapter, ValidationError
from pydantic_settings import BaseSettings

from lab.calling_pattern import PATTERNS
from lab.wire.service import VariableValues
from loadtest.settings import LocustSettings, Settings
from service_kit.variables import allowed, variable_name

if TYPE_CHECKING:  # importing Locust patches the whole process: the pure parts do without
    from locust.argument_parser import LocustArgumentParser

_HELP = {
    "run_label": "a name for this run, to find and compare it by",
    "request_path": "what the users GET from the host",
    "pattern": "how the proxy calls the upstream: forwarding, or one of the common calling patterns",
    "user_kind": "closed(think=1s), pace(2s), open(200/s), ...; several: 3 * closed; open(20/s)",
    "shape": "ramp(20s), step(4, every=10s), spike(5, at=10s, during=5s)",
    "objective": "what the run is to reach, like p99 < 1s, throughput > 50/s",
}
"""Settings that the start form can change for a run."""

_FORM: dict[str, tuple[str, type[BaseSettings], str]] = {
    "run_label": ("Run label", Settings, "run_label"),
    "request_path": ("Request path", Settings, "request_path"),
    "pattern": ("Pattern", Settings, "pattern"),
    "user_kind": ("User kind", Settings, "user_kind"),
    "shape": ("Shape", Settings, "shape"),
    "objective": ("Objective", Settings, "objective"),
    "host": ("Host", LocustSettings, "host"),
    "run_time": ("Run time", LocustSettings, "run_time"),
    "user_count": ("Number of users", LocustSettings, "users"),
}
"""Title of each field of the start form, and the setting whose rule it has."""

_MAY_BE_EMPTY = frozenset(_FORM) - {"user_count"}


def add_options(parser: "LocustArgumentParser") -> None:
    """Add the options; their environment variables are validated by `Settings` before Locust starts."""
    for field, text in _HELP.items():
        parser.add_argument(
            f"--{field.replace('_', '-')}",
            env_var=variable_name(Settings, field),
            default=Settings.model_fields[field].default,
            choices=list(PATTERNS) if field == "pattern" else None,
            help=text,
        )
    # Not on the form: the recorder sets it, and the master sends it to the workers with its options.
    parser.add_argument(
        "--run-id", env_var="LAB_RUN_ID", default="", include_in_web_ui=False, help="id of the first run"
    )


def form_mistakes(form: Mapping[str, str]) -> dict[str, str]:
    """Return one line for each field of the start form that cannot be run with, by the field's name."""
    return {
        name: f"{title} {form[name]!r} is not allowed; allowed: {allowed(model, field)}"
        for name, (title, model, field) in _FORM.items()
        if name in form
        and not (form[name] == "" and name in _MAY_BE_EMPTY)
        and _value(model, field, form[name]) is None
    }


def correct(options: Namespace) -> list[str]:
    """Put defaults in place of options that cannot be run with, and return a line about each."""
    lines = []
    for name in _HELP:
        title, model, field = _FORM[name]
        given, default = getattr(options, name, None), model.model_fields[field].default
        value = _value(model, field, str(given or default))
        if value is None:
            lines.append(f"{title} {given!r} is not allowed, {default!r} is used; allowed: {allowed(model, field)}")
        setattr(options, name, default if value is None else value)
    return lines


def settings_of_load(options: Namespace, *, users: int, processes: int, run_time: float | None) -> VariableValues:
    """Return the settings of the load, by the names of their variables; `run_time` in seconds."""
    return {
        "LOCUST_HOST": options.host,
        "LOCUST_USERS": users,
        "LOCUST_SPAWN_RATE": float(options.spawn_rate or 1),
        "LOCUST_RUN_TIME": None if run_time is None else f"{run_time:g}s",
        "LOCUST_PROCESSES": processes,
        "LOCUST_STOP_TIMEOUT": f"{float(options.stop_timeout or 0):g}s",
        "LAB_REQUEST_PATH": options.request_path,
        "LAB_PATTERN": options.pattern,
        "LAB_USER_KIND": options.user_kind,
        "LAB_SHAPE": options.shape or None,
        "LAB_OBJECTIVE": options.objective or None,
    }


def derived(load: VariableValues) -> list[str]:
    """Return the settings of a load that follow from others: all users at once, however many they are."""
    return ["LOCUST_SPAWN_RATE"] if load.get("LOCUST_SPAWN_RATE") == load.get("LOCUST_USERS") else []


def _value(model: type[BaseSettings], field: str, text: str) -> Any:
    """Return the value of a settings field, None if the text is not allowed for it."""
    info = model.model_fields[field]
    annotation: Any = Annotated[info.annotation, *info.metadata]
    try:
        return TypeAdapter(annotation).validate_python(text)
    except ValidationError:
        return None
