"""A path into a run document, such as `pool.wait_ms.mean`: whether there is such a field, and its value. Pure."""

import collections.abc
import enum
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from lab.run_document import RunDocument

Value = float | str | bool | None
_SINGLE = (int, float, str, bool)


class UnknownField(ValueError):
    """A path that leads nowhere; the message has what there is instead."""


def leaf_type(path: Sequence[str]) -> Any:
    """Return the type at the end of a path, None left out. Raises UnknownField."""
    found: Any = RunDocument
    for number, name in enumerate(path):
        found = _step(found, name, ".".join(path[:number]) or "a run document")
    return found


def values_of(kind: Any) -> frozenset[str] | None:
    """Return the texts that a type allows, None if any or if it is no text."""
    if get_origin(kind) is Literal:
        return frozenset(str(each) for each in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return frozenset(str(each.value) for each in kind)
    return None


def is_single(kind: Any) -> bool:
    """Whether it is one number, text or truth value."""
    return values_of(kind) is not None or kind in _SINGLE


def is_count_by_name(kind: Any) -> bool:
    """Whether it is a dict of numbers, which can be summed."""
    return _is_mapping(kind) and _bare(get_args(kind)[1]) in (int, float)


def value_at(run: RunDocument, path: Sequence[str]) -> Any:
    """Return the value at a path; None where it was not measured, 0 for a name that a count does not have."""
    found: Any = run
    for number, name in enumerate(path):
        if found is None:
            return None
        if isinstance(found, list):
            key = _key_field(type(found[0])) if found else ""
            rows = [each for each in found if str(getattr(each, key)) == name]
            if not rows:
                return 0
            found = rows[0]
        elif isinstance(found, Mapping):
            counts = is_count_by_name(leaf_type(path[:number]))
            found = found.get(name, 0 if counts else None)
        else:
            found = getattr(found, name)
    return found


def _step(kind: Any, name: str, where: str) -> Any:
    """Return the type of one field of a type."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(name)
        if field is not None:
            return _bare(field.annotation)
        derived = getattr(kind, name, None)
        if isinstance(derived, property) and derived.fget is not None:
            return _bare(get_type_hints(derived.fget)["return"])
        there = [*kind.model_fields, *(each for each in vars(kind) if isinstance(vars(kind)[each], property))]
        raise UnknownField(f"{where} has no {name!r}; it has {', '.join(there)}")
    if _is_mapping(kind):
        key, value = get_args(kind)
        return _known(_bare(key), name, where, _bare(value))
    if get_origin(kind) is list:
        (row,) = get_args(kind)
        return _known(_bare(row.model_fields[_key_field(row)].annotation), name, where, row)
    raise UnknownField(f"{where} has no fields, and {name!r} is asked for")


def _known(key: Any, name: str, where: str, value: Any) -> Any:
    allowed = values_of(key)
    if allowed is not None and name not in allowed:
        raise UnknownField(f"{where} has no {name!r}; it has {', '.join(sorted(allowed))}")
    return value


def _key_field(row: type[BaseModel]) -> str:
    """Return the field by which the rows of a list are found: their first."""
    return next(iter(row.model_fields))


def _is_mapping(kind: Any) -> bool:
    return get_origin(kind) in (dict, collections.abc.Mapping)


def _bare(kind: Any) -> Any:
    """Return a type without Annotated and without None."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, types.UnionType):
        others = [each for each in get_args(kind) if each is not type(None)]
        return _bare(others[0]) if len(others) == 1 else Any
    return kind
