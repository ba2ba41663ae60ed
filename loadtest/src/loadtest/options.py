"""The sandbox's own options on Locust's start form and command line.

No digits in option names: Locust's web form posts `slo_p99` as `slo_p9_9`, and the server ignores it silently.
"""

from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from lab.calling_pattern import FORWARD, PATTERNS
from lab.objective import OBJECTIVE_RULE
from lab.store import LABEL_RULE
from lab.wire.service import VariableValues
from loadtest.settings import HttpUrl, ObjectiveText, PatternName, RequestPath, RunLabel, RunTime

if TYPE_CHECKING:  # importing Locust patches the whole process: the pure parts do without
    from locust.argument_parser import LocustArgumentParser

_RULES: dict[str, tuple[str, TypeAdapter[str], str]] = {
    "run_label": ("Run label", TypeAdapter(RunLabel), LABEL_RULE),
    "request_path": ("Request path", TypeAdapter(RequestPath), "a path that begins with /"),
    "pattern": ("Pattern", TypeAdapter(PatternName), "one of the list"),
    "objective": ("Objective", TypeAdapter(ObjectiveText), OBJECTIVE_RULE),
    "host": ("Host", TypeAdapter(HttpUrl), "http://host:port or https://host"),
    "run_time": ("Run time", TypeAdapter(RunTime), "1s to 24h, like 30s, 3m or 1h20m"),
}


def add_options(parser: "LocustArgumentParser") -> None:
    """Add the options; their environment variables are validated by `Settings` before Locust starts."""
    parser.add_argument(
        "--run-label", env_var="LAB_RUN_LABEL", default="", help="a name for this run, to find and compare it by"
    )
    parser.add_argument(
        "--request-path", env_var="LAB_REQUEST_PATH", default="/work", help="what the users GET from the host"
    )
    parser.add_argument(
        "--pattern",
        env_var="LAB_PATTERN",
        default=FORWARD,
        choices=list(PATTERNS),
        help="how the proxy calls the upstream: forwarding, or one of the common calling patterns",
    )
    parser.add_argument(
        "--objective",
        env_var="LAB_OBJECTIVE",
        default="",
        help="what the run is to reach, like p99 < 1s, throughput > 50/s",
    )
    # Not on the form: the recorder sets it, and the master sends it to the workers with its options.
    parser.add_argument(
        "--run-id", env_var="LAB_RUN_ID", default="", include_in_web_ui=False, help="id of the first run"
    )


def form_mistakes(form: Mapping[str, str]) -> list[str]:
    """Return one line for each field of the start form that cannot be run with."""
    lines = []
    for name, (title, rule, words) in _RULES.items():
        value = form.get(name, "")
        if value and not _fits(rule, value):
            lines.append(f"{title} {value!r} is not allowed; allowed: {words}")
    users = form.get("user_count", "1")
    if not (users.isascii() and users.isdigit() and 1 <= int(users) <= 10_000):
        lines.append(f"Number of users {users!r} is not allowed; allowed: 1 to 10000")
    return lines


def correct(options: Namespace) -> list[str]:
    """Put defaults in place of options that cannot be run with, and return a line about each."""
    lines = []
    for name, default in (("run_label", ""), ("request_path", "/work"), ("pattern", FORWARD), ("objective", "")):
        value = str(getattr(options, name, None) or default)
        title, rule, words = _RULES[name]
        if not _fits(rule, value):
            lines.append(f"{title} {value!r} is not allowed, {default!r} is used; allowed: {words}")
            value = default
        setattr(options, name, rule.validate_python(value))
    return lines


def load_settings(options: Namespace, *, users: int, processes: int, run_time: float | None) -> VariableValues:
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
        "LAB_OBJECTIVE": options.objective or None,
    }


def derived(load: VariableValues) -> list[str]:
    """Return the settings of a load that follow from others: all users at once, however many they are."""
    return ["LOCUST_SPAWN_RATE"] if load.get("LOCUST_SPAWN_RATE") == load.get("LOCUST_USERS") else []


def _fits(rule: TypeAdapter[str], value: str) -> bool:
    try:
        rule.validate_python(value)
    except ValidationError:
        return False
    return True
