"""Where a variable's value comes from: .env < the shell in which `up` ran < this shell < `VAR=value`."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.backends.errors import UsageMistake
from lab.backends.variables import LOAD_PREFIXES, only_sandbox_variables

Variables = dict[str, str]
"""Name to value. An empty value is still in there: it hides what a lower layer says."""


def read_env_file(path: Path) -> Variables:
    """Return the variables of a .env file, none if there is no file.

    `$` is left alone: what the file says is what a part gets, whatever the shell holds. Raise UsageMistake, a line for
    each that says nothing: passed over, it would be missed only when the figures are wrong.
    """
    if not path.is_file():
        return {}
    from dotenv.parser import parse_stream

    try:
        bindings = list(parse_stream(io.StringIO(path.read_text(encoding="utf-8"))))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageMistake(f"{path.name}: cannot be read: {error}") from None
    mistakes = [_mistake(path, one.original.line, one.original.string) for one in bindings if one.error]
    if mistakes:
        raise UsageMistake("\n".join(mistakes))
    return only_sandbox_variables({one.key: one.value or "" for one in bindings if one.key is not None})


def _mistake(path: Path, line: int, text: str) -> str:
    # A binding begins with the empty lines before it.
    empty = len(text) - len(text.lstrip("\r\n"))
    return f"{path.name}:{line + text[:empty].count(chr(10))}: {text.strip()!r}: not a NAME=value"


def merge(*layers: Mapping[str, str]) -> Variables:
    """Return the layers on top of one another, the last winning."""
    merged: Variables = {}
    for layer in layers:
        merged.update(layer)
    return merged


def without_empty(variables: Mapping[str, str]) -> Variables:
    """Drop what is empty: an empty value counts as unset, so the part's default holds."""
    return {name: value for name, value in variables.items() if value.strip()}


@dataclass(frozen=True)
class Settings:
    """The baseline, and on top of it what the command line says for this one run."""

    baseline: Variables
    assignments: Variables

    @property
    def services(self) -> Variables:
        """What the services are brought to. The load's own variables are left out: they would restart the UI."""
        ours = {name: value for name, value in self.assignments.items() if not name.startswith(LOAD_PREFIXES)}
        return merge(self.baseline, ours)

    @property
    def load(self) -> Variables:
        """What the headless run gets."""
        return merge(self.baseline, self.assignments)

    def differences(self) -> list[tuple[str, str, str]]:
        """Return (name, baseline, now) of what the command line changes; "" where unset."""
        rows = [(name, self.baseline.get(name, ""), value) for name, value in self.assignments.items()]
        return [row for row in rows if row[1].strip() != row[2].strip()]
