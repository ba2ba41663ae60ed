"""Distributions from text: `lognormal(100ms, p99=400ms)`."""

import importlib
import inspect
import pkgutil
from functools import cache

from service_kit.call_text import parse_call
from upstream_mock import latency
from upstream_mock.latency.distribution import Distribution


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
    name = text.partition("(")[0].strip()
    if by_request and name in distributions() and distributions()[name].at_start_only:
        raise ValueError(f"{name} only as the mock starts")
    return parse_call(text, distributions(), "a distribution")
