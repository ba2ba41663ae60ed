"""The sandbox's variables: which there are, and which value wins: .env < the shell of `up` < this shell < VAR=value."""

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from service_kit.exits import UsageError

Variables = dict[str, str]
"""Name to value. An empty value is still in there: it hides what a lower layer has."""

PREFIXES = ("PROXY_", "UVICORN_", "UPSTREAM_", "NET_", "LOCUST_", "LAB_")
"""Prefixes of the parts' variables."""

LOAD_PREFIXES = ("LOCUST_", "LAB_")
"""Those of the load: they concern the run, not the services that are under it."""

_COMPOSE_PREFIX = "COMPOSE_"
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True)
class RunVariables:
    """The baseline, and on top of it what the command line sets for this one run."""

    baseline: Variables
    assignments: Variables

    @property
    def services(self) -> Variables:
        """The services' variables. The load's own assignments are left out: they would restart the UI."""
        ours = {name: value for name, value in self.assignments.items() if not name.startswith(LOAD_PREFIXES)}
        return merge(self.baseline, ours)

    @property
    def load(self) -> Variables:
        return merge(self.baseline, self.assignments)

    def differences(self) -> list[tuple[str, str, str]]:
        """Return (name, baseline, now) of what the command line changes; "" where unset."""
        rows = [(name, self.baseline.get(name, ""), value) for name, value in self.assignments.items()]
        return [row for row in rows if row[1].strip() != row[2].strip()]


def is_sandbox_variable(name: str) -> bool:
    return name.startswith((*PREFIXES, _COMPOSE_PREFIX))


def only_sandbox_variables(variables: Mapping[str, str]) -> Variables:
    return {name: value for name, value in variables.items() if is_sandbox_variable(name)}


def merge(*layers: Mapping[str, str]) -> Variables:
    """Return the layers on top of one another, the last winning."""
    merged: Variables = {}
    for layer in layers:
        merged.update(layer)
    return merged


def without_empty(variables: Mapping[str, str]) -> Variables:
    """Drop what is empty: an empty value counts as unset, so the part's default holds."""
    return {name: value for name, value in variables.items() if value.strip()}


def parse_assignments(texts: Iterable[str]) -> Variables:
    """Return the variables that `NAME=value` words set; an empty value is kept, it unsets."""
    assignments: Variables = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if equals and _NAME.fullmatch(name.upper()) and name != name.upper():
            raise UsageError(f"{text}: variables are upper case: {name.upper()}={value}")
        if not equals or not _NAME.fullmatch(name):
            raise UsageError(f"{text!r}: not a VAR=value, such as PROXY_MAX_CONNECTIONS=20")
        if not name.startswith(PREFIXES):
            raise UsageError(f"{text}: no part has such a variable; they begin with {', '.join(PREFIXES)}")
        if name in assignments:
            raise UsageError(f"{text}: {name} is given twice")
        if "\n" in value or "\0" in value:
            raise UsageError(f"{name}: its value must be one line")
        assignments[name] = value
    return assignments


def read_env_file(path: Path) -> Variables:
    """Return the variables of a .env file, none if there is no file.

    `$` is left alone: a part gets what the file holds, whatever the shell has. Raise UsageError with a line for each
    line that cannot be read: passed over, it would be missed only when the figures are wrong.
    """
    if not path.is_file():
        return {}
    from dotenv.parser import parse_stream

    try:
        bindings = list(parse_stream(io.StringIO(path.read_text(encoding="utf-8"))))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name}: cannot be read: {error}") from None
    mistakes = [_mistake(path, one.original.line, one.original.string) for one in bindings if one.error]
    if mistakes:
        raise UsageError(mistakes)
    return only_sandbox_variables({one.key: one.value or "" for one in bindings if one.key is not None})


def _mistake(path: Path, line: int, text: str) -> str:
    # A binding begins with the empty lines before it.
    empty = len(text) - len(text.lstrip("\r\n"))
    return f"{path.name}:{line + text[:empty].count(chr(10))}: {text.strip()!r}: not a NAME=value"
