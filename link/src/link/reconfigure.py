"""A change of conditions asked for while the link runs: from a JSON object of variables to settings, or to mistakes."""

import json
from typing import Any

from pydantic import ValidationError

from link.environment import line, lines, unknown, variable
from link.settings import CHANGEABLE, PREFIX, Settings

LARGEST_BODY = 16 << 10


class MistakenError(Exception):
    """What was asked is wrong; `lines` are one per mistake."""

    def __init__(self, found: list[str]):
        super().__init__("\n".join(found))
        self.lines = found


def changed(settings: Settings, body: bytes) -> tuple[Settings, set[str]]:
    """Return the settings with the variables of a JSON object put over them, and the fields it names.

    `{"NET_RTT_MS": 80}` changes the round trip and leaves the rest; null, or an empty text, takes a value back.
    Raises MistakenError.
    """
    asked = _object(body)
    known = [variable(name) for name in Settings.model_fields]
    found = [unknown(name, _text(value), known) for name, value in asked.items() if name not in known]
    fields = {name.removeprefix(PREFIX).lower(): value for name, value in asked.items() if name in known}
    fixed = f"cannot be changed while the link runs; allowed: {', '.join(map(variable, CHANGEABLE))}"
    found += [line(name, _text(value), fixed) for name, value in fields.items() if name not in CHANGEABLE]
    strange = [name for name, value in fields.items() if name in CHANGEABLE and isinstance(value, bool | list | dict)]
    found += [line(name, _text(fields[name]), "neither a number nor a text") for name in strange]
    good = {name: value for name, value in fields.items() if name in CHANGEABLE and name not in strange}
    values = settings.model_dump() | {name: _value(name, value) for name, value in good.items()}
    given = {variable(name): _text(value) for name, value in values.items()}
    try:
        wanted = Settings(**values)
    except ValidationError as error:
        raise MistakenError([*found, *lines(error, given)]) from error
    if found:
        raise MistakenError(found)
    return wanted, set(good)


def _object(body: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MistakenError([f'the body is not JSON: {error}; allowed: {{"NET_RTT_MS": 80}}']) from error
    if not isinstance(asked, dict) or not asked:
        raise MistakenError(['the body is not an object of NET_ variables; allowed: {"NET_RTT_MS": 80}'])
    return asked


def _value(name: str, value: Any) -> Any:
    return Settings.model_fields[name].default if value in {None, ""} else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)
