"""Mistakes in the environment, one line each: `UPSTREAM_PORT='ten': not a whole number; allowed: 1 to 65535`."""

import os
from collections.abc import Mapping
from difflib import get_close_matches

from annotated_types import Ge, Le
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from upstream_mock.settings import PREFIX, Settings, variable

_WORDS = {
    "int_parsing": "not a whole number",
    "int_type": "not a whole number",
    "int_parsing_size": "too large",
    "float_parsing": "not a number",
    "bool_parsing": "neither true nor false",
    "literal_error": "no such choice",
    "greater_than_equal": "too small",
    "less_than_equal": "too large",
}


class BadSettingsError(Exception):
    """The environment cannot be used; `lines` says why, one mistake a line."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def load_settings() -> Settings:
    """The settings of this process's environment; BadSettingsError names every mistake at once."""
    lines = unknown_variables(os.environ)
    try:
        settings = Settings()
    except ValidationError as error:
        raise BadSettingsError([*map(_line, error.errors()), *lines]) from None
    if lines:
        raise BadSettingsError(lines)
    return settings


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """A line for each variable with our prefix which means nothing; one that is empty counts as unset."""
    known = [name.upper() for name in Settings.model_fields]
    lines = []
    for name, value in sorted(environ.items()):
        rest = name.upper().removeprefix(PREFIX)
        if value and rest != name.upper() and rest not in known:
            # Compared without the prefix, which alone would make everything look alike.
            close = get_close_matches(rest, known, n=1)
            lines.append(
                f"{name}={value!r}: no such variable" + (f"; did you mean {PREFIX}{close[0]}?" if close else "")
            )
    return lines


def allowed(field: FieldInfo) -> str:
    """What may stand in a field: its own words, or its bounds."""
    if isinstance(field.json_schema_extra, dict) and "allowed" in field.json_schema_extra:
        return str(field.json_schema_extra["allowed"])
    low = next((bound.ge for bound in field.metadata if isinstance(bound, Ge)), None)
    high = next((bound.le for bound in field.metadata if isinstance(bound, Le)), None)
    return f"{low} to {high}"


def _line(error: ErrorDetails) -> str:
    name = str(error["loc"][0])
    cause = error.get("ctx", {}).get("error")
    wrong = _WORDS.get(error["type"]) or str(cause or error["msg"])
    return f"{variable(name)}={str(error['input'])!r}: {wrong}; allowed: {allowed(Settings.model_fields[name])}"
