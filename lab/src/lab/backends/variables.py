"""The sandbox's variables: one prefix a part, `NAME=value` on the command line."""

import re
from collections.abc import Iterable, Mapping

from lab.backends.errors import UsageMistake

PREFIXES = ("PROXY_", "UVICORN_", "UPSTREAM_", "NET_", "LOCUST_", "LAB_")
"""Prefixes of the parts' variables."""

LOAD_PREFIXES = ("LOCUST_", "LAB_")
"""Those of the load: they concern the run, not the services that are under it."""

_COMPOSE_PREFIX = "COMPOSE_"
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


def is_sandbox_variable(name: str) -> bool:
    """Whether a variable of the shell or of .env is the sandbox's business."""
    return name.startswith((*PREFIXES, _COMPOSE_PREFIX))


def only_sandbox_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return those variables that are the sandbox's business."""
    return {name: value for name, value in variables.items() if is_sandbox_variable(name)}


def parse_assignments(texts: Iterable[str]) -> dict[str, str]:
    """Return the variables that `NAME=value` words set; an empty value is kept, it unsets."""
    assignments: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if equals and _NAME.fullmatch(name.upper()) and name != name.upper():
            raise UsageMistake(f"{text}: variables are upper case: {name.upper()}={value}")
        if not equals or not _NAME.fullmatch(name):
            raise UsageMistake(f"{text!r}: not a VAR=value, such as PROXY_MAX_CONNECTIONS=20")
        if not name.startswith(PREFIXES):
            raise UsageMistake(f"{text}: no part has such a variable; they begin with {', '.join(PREFIXES)}")
        if name in assignments:
            raise UsageMistake(f"{text}: {name} is given twice")
        if "\n" in value or "\0" in value:
            raise UsageMistake(f"{name}: its value must be one line")
        assignments[name] = value
    return assignments
