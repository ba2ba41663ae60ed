"""The environment variables behind the fields of a settings model: name, default, description, allowed values."""

import shutil
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_settings import BaseSettings


@dataclass(frozen=True)
class Variable:
    """One environment variable; `default` is empty if it is unset by default."""

    name: str
    default: str
    description: str


def variable_name(model: type[BaseSettings], field: str) -> str:
    """Return PREFIX_FIELD, whether or not the model has such a field."""
    return f"{model.model_config['env_prefix']}{field}".upper()


def variables(model: type[BaseSettings]) -> Iterator[Variable]:
    """Yield the variables of a model in the order of its fields."""
    for field, info in model.model_fields.items():
        yield Variable(variable_name(model, field), as_text(info.default), info.description or "")


def as_text(value: object) -> str:
    """Return a value as it is written in the environment; None is an empty text."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def help_table(models: Iterable[type[BaseSettings]]) -> str:
    """Return `NAME=default` and the wrapped description of every variable, for --help."""
    width = max(60, min(120, shutil.get_terminal_size().columns))
    lines = ["Environment variables and their defaults (an empty one counts as unset):"]
    for variable in (variable for model in models for variable in variables(model)):
        lines.append(f"  {variable.name}={variable.default}")
        lines += textwrap.wrap(variable.description, width, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines)


def allowed(model: type[BaseSettings], field: str) -> str:
    """Return in words what a field takes; empty if there is nothing short to write.

    `json_schema_extra={"allowed": ...}` comes first, then choices, examples and bounds of the JSON schema.
    """
    schema = _schema(model, field)
    for key in ("allowed", "enum", "examples"):
        if key in schema:
            return schema[key] if isinstance(schema[key], str) else ", ".join(map(str, schema[key]))
    if "const" in schema:
        return str(schema["const"])
    return "true, false" if schema.get("type") == "boolean" else _bounds(schema)


def choices(model: type[BaseSettings], field: str) -> list[str]:
    """Return all values that a field takes, as text; none if they cannot be listed."""
    return [as_text(value) for value in _schema(model, field).get("enum", [])]


def _schema(model: type[BaseSettings], field: str) -> dict[str, Any]:
    schema: dict[str, Any] = model.model_json_schema()["properties"][field]
    options = [option for option in schema.get("anyOf", []) if option.get("type") != "null"]
    return {**schema, **options[0]} if len(options) == 1 else schema


def _bounds(schema: dict[str, Any]) -> str:
    # pydantic writes ge and le where a validator of ours comes before the bounds
    low, high = (schema.get(name, schema.get(short)) for name, short in (("minimum", "ge"), ("maximum", "le")))
    above = schema.get("exclusiveMinimum", schema.get("gt"))
    if above is not None:
        return f"more than {above}" if high is None else f"more than {above}, up to {high}"
    if low is not None:
        return f"{low} or more" if high is None else f"{low} to {high}"
    return "" if high is None else f"up to {high}"
