"""Distributions out of text: `lognormal(100ms, p99=400ms)`."""

import importlib
import pkgutil
import re
from functools import cache

from upstream_mock.latency import shapes
from upstream_mock.latency.distribution import Distribution

_CALL = re.compile(r"([a-z]+)\s*\((.*)\)")


@cache
def distributions() -> dict[str, type[Distribution]]:
    """Every distribution by its name, which is its file's in `shapes/`."""
    found = {}
    for module_info in pkgutil.iter_modules(shapes.__path__):
        module = importlib.import_module(f"{shapes.__name__}.{module_info.name}")
        for shape in vars(module).values():
            if isinstance(shape, type) and shape.__module__ == module.__name__ and issubclass(shape, Distribution):
                found[module_info.name] = shape
    return found


def allowed() -> str:
    """An example of each, for messages and tables."""
    return ", ".join(shape.example for shape in distributions().values()) + "; durations in us, ms or s"


def parse_latency(text: str, *, by_request: bool = False) -> Distribution:
    """The distribution that `text` describes; ValueError says in one line what is wrong with it.

    `by_request`: the text came with a request, which may not have files read.
    """
    match = _CALL.fullmatch(text.strip())
    if match is None or match[1] not in distributions():
        raise ValueError("not a distribution")
    shape = distributions()[match[1]]
    if by_request and shape.at_start_only:
        raise ValueError(f"{match[1]} only as the mock starts")
    readers = shape.readers()
    names = list(readers)
    usage = f"{match[1]}({', '.join(names)})"
    given: dict[str, object] = {}
    for position, argument in enumerate(match[2].split(",")):
        name, equals, value = (part.strip() for part in argument.rpartition("="))
        if not equals:
            name = names[position] if position < len(names) else ""
        if name not in names or name in given:
            raise ValueError(f"{argument.strip()!r} is one too many or unknown in {usage}")
        given[name] = readers[name](value)
    if missing := [name for name in names if name not in given]:
        raise ValueError(f"{usage} lacks {' and '.join(missing)}")
    return shape(**given)
