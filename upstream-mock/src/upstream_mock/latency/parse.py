"""Distributions from text: `lognormal(100ms, p99=400ms)`."""

import importlib
import inspect
import pkgutil
import re
from functools import cache

from upstream_mock import latency
from upstream_mock.latency.distribution import Distribution

_CALL = re.compile(r"([a-z]+)\s*\((.*)\)")


@cache
def distributions() -> dict[str, type[Distribution]]:
    """Every distribution in the modules of this package, by its name."""
    modules = [
        importlib.import_module(f"{latency.__name__}.{module.name}")
        for module in pkgutil.iter_modules(latency.__path__)
    ]
    found = {
        name.lower(): item
        for module in modules
        for name, item in vars(module).items()
        if inspect.isclass(item) and issubclass(item, Distribution) and item.__module__ == module.__name__
        if not inspect.isabstract(item)
    }
    return dict(sorted(found.items()))


def allowed() -> str:
    """An example of each, for messages and tables."""
    return ", ".join(kind.example for kind in distributions().values()) + "; durations in us, ms or s"


def parse_latency(text: str, *, by_request: bool = False) -> Distribution:
    """The distribution that `text` describes; a ValueError is one line about what is wrong with it.

    `by_request`: the text came with a request, which may not make the mock read files.
    """
    match = _CALL.fullmatch(text.strip())
    if match is None or match[1] not in distributions():
        raise ValueError("not a distribution")
    kind = distributions()[match[1]]
    if by_request and kind.at_start_only:
        raise ValueError(f"{match[1]} only as the mock starts")
    readers = kind.readers()
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
    return kind(**given)
