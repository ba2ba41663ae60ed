"""Mistakes in the environment, one line each: the variable, its value, what is wrong and what is allowed."""

import difflib
from collections.abc import Mapping, Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings

_NUMBER = {
    "int_parsing": "not a whole number",
    "int_from_float": "not a whole number",
    "float_parsing": "not a number",
    "finite_number": "not a finite number",
}


def mistakes(models: Sequence[type[BaseSettings]], environment: Mapping[str, str]) -> list[str]:
    """Return one line for every variable that is unknown or has a value that is not allowed."""
    lines = unknown_variables(models, environment)
    for model in models:
        try:
            model()
        except ValidationError as error:
            lines += lines_of(model, error)
    return lines


def lines_of(model: type[BaseSettings], error: ValidationError) -> list[str]:
    """Return one line for each value of a model that is not allowed."""
    return [_line(model, detail) for detail in error.errors()]


def unknown_variables(models: Sequence[type[BaseSettings]], environment: Mapping[str, str]) -> list[str]:
    """Return a line for every variable with a prefix of ours that no setting has, with the likeliest one meant."""
    known = [_variable(model, field) for model in models for field in model.model_fields]
    prefixes = tuple(model.model_config["env_prefix"] for model in models)
    lines = []
    for name, value in environment.items():
        if name.startswith(prefixes) and name not in known and value != "":
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            hint = f"; did you mean {close[0]}?" if close else ""
            lines.append(f"{name}='{value}': no such variable{hint}")
    return lines


def _variable(model: type[BaseSettings], field: str) -> str:
    return f"{model.model_config['env_prefix']}{field}".upper()


def _line(model: type[BaseSettings], detail: ErrorDetails) -> str:
    if not detail["loc"]:  # a rule over several variables names them itself
        return str(detail["ctx"]["error"]) if "ctx" in detail else detail["msg"]
    field = str(detail["loc"][0])
    wrong = _NUMBER.get(detail["type"]) or _wrong(detail)
    allowed = _allowed(model, field)
    return f"{_variable(model, field)}='{detail['input']}': {wrong}{f'; allowed: {allowed}' if allowed else ''}"


def _wrong(detail: ErrorDetails) -> str:
    if detail["type"] == "literal_error":
        return "not one of the choices"
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    if detail["type"] in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        return "out of range"
    return detail["msg"][0].lower() + detail["msg"][1:]


def _allowed(model: type[BaseSettings], field: str) -> str:
    """Return what the field's schema allows in words: a range, or a list of choices."""
    schema = model.model_json_schema()["properties"][field]
    choices = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    schema = {**schema, **choices[0]} if len(choices) == 1 else schema
    if "enum" in schema or "const" in schema:
        return ", ".join(schema.get("enum", [schema.get("const")]))
    low, above, high = schema.get("minimum"), schema.get("exclusiveMinimum"), schema.get("maximum")
    if above is not None:
        return f"more than {above:g}, up to {high:g}"
    if low is not None:
        return f"{low:g} to {high:g}"
    return ""
