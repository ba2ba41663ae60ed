"""Values that users write like a call: `lognormal(100ms, p99=400ms)`, `open(200/s)`, `closed`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar, get_type_hints

_CALL = re.compile(r"([a-z]+)\s*(?:\((.*)\))?")

T = TypeVar("T")


def readers(kind: type[Any]) -> dict[str, Callable[[str], Any]]:
    """Return what reads the text of each argument, in order: a dataclass's fields are `Annotated[type, reader]`."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name].__metadata__[0] for field in fields(kind)}


def parse_call(text: str, kinds: Mapping[str, type[T]], what: str) -> T:
    """Return the dataclass that `text` names, made of its arguments.

    The brackets may be left out where all arguments have defaults. A ValueError is one line about what is wrong.
    """
    match = _CALL.fullmatch(text.strip())
    if match is None or match[1] not in kinds:
        raise ValueError(f"not {what}")
    kind, arguments = kinds[match[1]], match[2]
    reading = readers(kind)
    required = [field.name for field in fields(kind) if field.default is MISSING]  # type: ignore[arg-type]
    if arguments is None and required:
        raise ValueError(f"not {what}")
    names, usage = list(reading), f"{match[1]}({', '.join(reading)})"
    given: dict[str, object] = {}
    for position, argument in enumerate(arguments.split(",") if arguments and arguments.strip() else []):
        name, equals, value = (part.strip() for part in argument.rpartition("="))
        if not equals:
            name = names[position] if position < len(names) else ""
        if name not in names or name in given:
            raise ValueError(f"{argument.strip()!r} is one too many or unknown in {usage}")
        given[name] = reading[name](value)
    if missing := [name for name in required if name not in given]:
        raise ValueError(f"{usage} lacks {' and '.join(missing)}")
    return kind(**given)
