"""Settings changed over HTTP: from the body of a PUT to new settings, or to a status and a line for each mistake.

A body is a JSON object of variables, such as {"NET_RTT_MS": 80}; null or an empty text takes a value back to its
default. An answer to a bad one is {"mistakes": ["NET_RTT_MS='x': not a number; allowed: 0 to 10000", ...]}.
"""

import json
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from service_kit.settings_errors import invalid_values, mistake, unknown_variables
from service_kit.variables import allowed, choices, variable_name

MAX_BODY_BYTES = 16 << 10

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

AnySettings = TypeVar("AnySettings", bound=BaseSettings)


class ChangeRefused(Exception):
    """Nothing was changed. `status` is HTTP's: 400 for mistakes, 409 for what cannot be changed now, 413."""

    def __init__(self, mistakes: Sequence[str] | str, status: int = 400) -> None:
        self.mistakes = [mistakes] if isinstance(mistakes, str) else list(mistakes)
        self.status = status
        super().__init__("; ".join(self.mistakes))

    def document(self) -> dict[str, list[str]]:
        """Return the body of the answer, to be sent as JSON with `status`."""
        return {"mistakes": self.mistakes}


async def read_body(receive: Receive, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Return a whole body from ASGI. Raises ChangeRefused: 413 as soon as it is too long, 400 if it breaks off."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ChangeRefused("the body broke off before its end")
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise ChangeRefused(f"the body is longer than {max_bytes} bytes", 413)
        if not message.get("more_body", False):
            return bytes(body)


def changed(
    settings: AnySettings,
    body: bytes,
    changeable: Collection[str],
    *,
    fixed_models: Sequence[type[BaseSettings]] = (),
) -> tuple[AnySettings, set[str]]:
    """Return the settings with a body's variables put over them, and the fields that it names.

    `changeable` are fields; all others, and those of `fixed_models`, need a restart. Raises ChangeRefused (400).
    """
    model = type(settings)
    asked = _parsed(body, variable_name(model, next(iter(changeable))))
    lines = _refused(asked, [model, *fixed_models], [variable_name(model, field) for field in changeable])
    prefix = variable_name(model, "")
    values = {name.removeprefix(prefix).lower(): value for name, value in asked.items()}
    good = {field: value for field, value in values.items() if field in changeable and not _is_nested(value)}
    # As text, which is what the environment has: pydantic would take true for the number 1.
    new = {
        field: model.model_fields[field].default if value in (None, "") else _text(value)
        for field, value in good.items()
    }
    try:
        wanted = model(**{**settings.model_dump(), **new})
    except ValidationError as error:
        raise ChangeRefused([*lines, *invalid_values(model, error)]) from None
    if lines:
        raise ChangeRefused(lines)
    return wanted, set(good)


def started_with(started: BaseSettings, now: BaseSettings) -> dict[str, Any]:
    """Return what the settings that differ now were at the start, by variable; null for unset."""
    before, after = (settings.model_dump(mode="json") for settings in (started, now))
    return {variable_name(type(now), field): value for field, value in before.items() if value != after[field]}


def changeable_document(model: type[BaseSettings], fields: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return what a page needs to offer these fields: by variable what is allowed, and its choices, none if open."""
    return {
        variable_name(model, field): {"allowed": allowed(model, field), "choices": choices(model, field)}
        for field in fields
    }


def _parsed(body: bytes, example: str) -> dict[str, Any]:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ChangeRefused(f'the body is not JSON: {error}; allowed: {{"{example}": ...}}') from None
    if not isinstance(asked, dict) or not asked:
        raise ChangeRefused(f'the body is not a JSON object of variables; allowed: {{"{example}": ...}}')
    return asked


def _refused(asked: dict[str, Any], models: Sequence[type[BaseSettings]], changeable: list[str]) -> list[str]:
    known = {variable_name(model, field) for model in models for field in model.model_fields}
    prefixes = tuple(variable_name(model, "") for model in models)
    lines = []
    for name, value in asked.items():
        if name in known and name not in changeable:
            lines.append(mistake(name, _text(value), f"needs a restart; allowed: {', '.join(changeable)}"))
        elif name in known and _is_nested(value):
            lines.append(mistake(name, _text(value), "neither a number nor a text"))
        elif name not in known and name.startswith(prefixes):
            lines += unknown_variables(models, {name: _text(value) or "null"})
        elif name not in known:
            lines.append(mistake(name, _text(value), f"no such variable; allowed: {', '.join(changeable)}"))
    return lines


def _is_nested(value: object) -> bool:
    return isinstance(value, list | dict)


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)
