"""Settings from the environment, and what is wrong with them: `PROXY_PORT='ten': not a whole number; allowed: ...`."""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar, overload

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings

from service_kit.exits import UsageError
from service_kit.name_match import did_you_mean
from service_kit.variables import allowed, as_text, variable_name

First = TypeVar("First", bound=BaseSettings)
Second = TypeVar("Second", bound=BaseSettings)

_WORDS = {
    "bool_parsing": "neither true nor false",
    "bool_type": "neither true nor false",
    "finite_number": "not a finite number",
    "float_parsing": "not a number",
    "float_type": "not a number",
    "greater_than": "too small",
    "greater_than_equal": "too small",
    "int_from_float": "not a whole number",
    "int_parsing": "not a whole number",
    "int_parsing_size": "too large",
    "int_type": "not a whole number",
    "less_than": "too large",
    "less_than_equal": "too large",
    "literal_error": "not one of these",
    "string_pattern_mismatch": "not allowed",
    "string_type": "not a text",
}


class ContradictionError(ValueError):
    """Raised by a model validator for fields that exclude each other; `pairs` are (field, sentence)."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {sentence}" for field, sentence in pairs))
        self.pairs = pairs


@overload
def load(first: type[First], /, *, also_known: Collection[str] = ()) -> tuple[First]: ...
@overload
def load(first: type[First], second: type[Second], /, *, also_known: Collection[str] = ()) -> tuple[First, Second]: ...
def load(*models: type[BaseSettings], also_known: Collection[str] = ()) -> tuple[BaseSettings, ...]:
    """Return the settings of this process's environment, one object a model.

    Raises UsageError with a line for each mistake. `also_known` are names with a prefix of the models that are none of
    their fields.
    """
    lines = unknown_variables(models, os.environ, also_known)
    found = []
    for model in models:
        try:
            found.append(model())
        except ValidationError as error:
            lines += invalid_values(model, error)
    if lines:
        raise UsageError(lines)
    return tuple(found)


def mistakes(*models: type[BaseSettings], also_known: Collection[str] = ()) -> list[str]:
    """Return a line for each mistake in this process's environment."""
    try:
        load(*models, also_known=also_known)
    except UsageError as error:
        return error.lines
    return []


def unknown_variables(
    models: Sequence[type[BaseSettings]], environment: Mapping[str, str], also_known: Collection[str] = ()
) -> list[str]:
    """Return a line for each variable that has a model's prefix and is no field of any; empty ones count as unset."""
    known = [*_names(models), *also_known]
    prefixes = [str(model.model_config["env_prefix"]) for model in models]
    return [
        mistake(name, value, f"no such variable{did_you_mean(name, known, prefixes)}")
        for name, value in sorted(environment.items())
        if value != "" and name.upper().startswith(tuple(prefixes)) and name.upper() not in known
    ]


def invalid_values(model: type[BaseSettings], error: ValidationError) -> list[str]:
    """Return a line for each mistake that a validation of the model found."""
    return [line for detail in error.errors() for line in _lines(model, detail)]


def mistake(name: str, value: object, sentence: str) -> str:
    """Return the one line about a variable."""
    return f"{name}={as_text(value)!r}: {sentence}"


def _names(models: Iterable[type[BaseSettings]]) -> list[str]:
    return [variable_name(model, field) for model in models for field in model.model_fields]


def _lines(model: type[BaseSettings], detail: ErrorDetails) -> list[str]:
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, ContradictionError):
        return [
            mistake(variable_name(model, field), _given(model, field, detail["input"]), sentence)
            for field, sentence in cause.pairs
        ]
    wrong = _WORDS.get(detail["type"]) or (str(cause) if cause else detail["msg"][:1].lower() + detail["msg"][1:])
    if not detail["loc"]:  # a rule over several fields that names them itself
        return [wrong]
    field = str(detail["loc"][0])
    words = "" if "; allowed: " in wrong else allowed(model, field)
    sentence = f"{wrong}; allowed: {words}" if words else wrong
    return [mistake(variable_name(model, field), detail["input"], sentence)]


def _given(model: type[BaseSettings], field: str, values: Any) -> object:
    default = model.model_fields[field].default
    return values.get(field, default) if isinstance(values, Mapping) else default
