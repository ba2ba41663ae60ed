"""Says what is wrong with an environment, one line a mistake, and what it may hold."""

import difflib
import typing
from collections.abc import Mapping
from typing import Any

from annotated_types import Ge, Le
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from link.settings import PREFIX, Contradictions, Settings


def mistakes(environ: Mapping[str, str]) -> list[str]:
    """Return one line per mistake among the link's variables: `NAME='value': what is wrong; allowed: ...`."""
    return [*_unknown(environ), *_invalid(environ)]


def usage() -> str:
    """Return the table of variables with default and description, for `--help`."""
    rows = [
        (variable(name), "" if field.default is None else str(field.default), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    wide = max(len(row[0]) for row in rows)
    value = max(len(row[1]) for row in rows)
    return "\n".join(f"  {name:<{wide}}  {default:<{value}}  {text}" for name, default, text in rows)


def variable(field: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + field.upper()


def _unknown(environ: Mapping[str, str]) -> list[str]:
    known = [variable(name) for name in Settings.model_fields]
    return [
        unknown(name, environ[name], known)
        for name in sorted(environ)
        if name.upper().startswith(PREFIX) and name.upper() not in known and environ[name]
    ]


def unknown(name: str, value: str, known: list[str]) -> str:
    """Return the line about a variable that does not exist, with the one of the `known` that was meant, if there is."""
    near = difflib.get_close_matches(name.upper(), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"allowed: {', '.join(known)}"
    return f"{name}='{value}': no such variable; {hint}"


def _invalid(environ: Mapping[str, str]) -> list[str]:
    given = {name.upper(): value for name, value in environ.items()}
    try:
        Settings()
    except ValidationError as error:
        return lines(error, given)
    return []


def lines(error: ValidationError, given: Mapping[str, str]) -> list[str]:
    """Return one line per mistake that a validation found, with the values as they were given, by variable."""
    return [line for detail in error.errors() for line in _lines(detail, given)]


def _lines(detail: ErrorDetails, given: Mapping[str, str]) -> list[str]:
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, Contradictions):
        return [_line(name, given, sentence) for name, sentence in cause.pairs]
    name = str(detail["loc"][0])
    wrong = str(cause) if isinstance(cause, ValueError) else _wrong(detail["type"])
    sentence = f"{wrong}; allowed: {_allowed(Settings.model_fields[name])}"
    return [_line(name, given, sentence)]


def _line(field: str, given: Mapping[str, str], sentence: str) -> str:
    default = Settings.model_fields[field].default
    return line(field, given.get(variable(field)) or ("" if default is None else str(default)), sentence)


def line(field: str, value: str, sentence: str) -> str:
    """Return the line that says what is wrong with a field."""
    return f"{variable(field)}='{value}': {sentence}"


def _wrong(kind: str) -> str:
    if kind.startswith("int_"):
        return "not a whole number"
    if kind in {"float_parsing", "float_type", "finite_number"}:
        return "not a number"
    if kind == "string_type":
        return "not a text"
    return {"greater_than_equal": "too small", "less_than_equal": "too large", "literal_error": "unknown"}.get(
        kind, kind
    )


def _allowed(field: FieldInfo) -> str:
    literal = [
        choice for part in _parts(field.annotation) for choice in typing.get_args(part) if isinstance(choice, str)
    ]
    if chosen := literal or field.examples:
        return ", ".join(map(str, chosen))
    limits = [
        *field.metadata,
        *(item for part in _parts(field.annotation) for item in getattr(part, "__metadata__", ())),
    ]
    flat = [item for limit in limits for item in getattr(limit, "metadata", [limit])]
    low = next((item.ge for item in flat if isinstance(item, Ge)), None)
    high = next((item.le for item in flat if isinstance(item, Le)), None)
    return f"{low} to {high}" if low is not None else "any text"


def _parts(annotation: Any) -> tuple[Any, ...]:
    arguments = typing.get_args(annotation)
    return (annotation, *arguments) if type(None) in arguments else (annotation,)
