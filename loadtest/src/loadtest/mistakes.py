"""Mistakes in the environment, one line each: the variable, its value, what is wrong and what is allowed."""

import difflib
from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings

from loadtest.settings import LocustSettings, Settings

_NUMBER = {"int_parsing": "not a whole number", "int_from_float": "not a whole number", "float_parsing": "not a number"}
_RANGE = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number")


def mistakes(environment: Mapping[str, str]) -> list[str]:
    """Return one line for every LAB_ variable that is unknown and every LAB_ or LOCUST_ value that is not allowed."""
    lines = _unknown(environment)
    for model in (Settings, LocustSettings):
        try:
            model()
        except ValidationError as error:
            lines += [_line(model, detail) for detail in error.errors()]
    if environment.get("LOCUST_RESET_STATS", "").lower() in ("true", "yes", "on", "1"):
        lines.append(
            f"LOCUST_RESET_STATS='{environment['LOCUST_RESET_STATS']}': forgets requests that the proxy has counted; "
            "allowed: unset"
        )
    return lines


def variable(model: type[BaseSettings], field: str) -> str:
    """Return the name of the environment variable of a field."""
    return f"{model.model_config['env_prefix']}{field}".upper()


def _unknown(environment: Mapping[str, str]) -> list[str]:
    """Only LAB_ is ours alone: Locust has many more variables than the sandbox names."""
    known = [variable(Settings, field) for field in Settings.model_fields]
    lines = []
    for name, value in environment.items():
        if name.startswith("LAB_") and name not in known and value != "":
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            lines.append(f"{name}='{value}': no such variable{f'; did you mean {close[0]}?' if close else ''}")
    return lines


def _line(model: type[BaseSettings], detail: ErrorDetails) -> str:
    if not detail["loc"]:  # a rule over several variables names them itself
        return str(detail["ctx"]["error"])
    field = str(detail["loc"][0])
    words = _allowed(model, field)
    return f"{variable(model, field)}='{detail['input']}': {_wrong(detail)}{f'; allowed: {words}' if words else ''}"


def _wrong(detail: ErrorDetails) -> str:
    if detail["type"] in _NUMBER:
        return _NUMBER[detail["type"]]
    if detail["type"] in _RANGE:
        return "out of range"
    if detail["type"] == "bool_parsing":
        return "neither true nor false"
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    return "not allowed"


def _allowed(model: type[BaseSettings], field: str) -> str:
    """Return in words what the field's schema allows."""
    schema = model.model_json_schema()["properties"][field]
    choices = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    schema = {**schema, **choices[0]}
    if "allowed" in schema:
        return str(schema["allowed"])
    if schema.get("type") == "boolean":
        return "true, false"
    if "exclusiveMinimum" in schema:
        return f"more than {schema['exclusiveMinimum']}, up to {schema['maximum']}"
    if "minimum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}"
    return ""
