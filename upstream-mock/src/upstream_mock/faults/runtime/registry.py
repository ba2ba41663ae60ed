"""Which faults there are: the classes of the package's modules."""

import importlib
import inspect
import pkgutil
import re
from difflib import get_close_matches
from functools import cache

from upstream_mock import faults
from upstream_mock.faults.runtime.fault import Fault

_NUMBERED = re.compile(r"([A-Z0-9_]+)_(\d{1,9})")
_NEW_WORD = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[0-9])(?=[A-Z])")


@cache
def discover() -> dict[str, type[Fault]]:
    """Every fault by its name, in alphabetical order."""
    modules = [
        importlib.import_module(f"{faults.__name__}.{module.name}")
        for module in pkgutil.iter_modules(faults.__path__)
        if not module.ispkg
    ]
    found = {
        _NEW_WORD.sub("_", name).upper(): item
        for module in modules
        for name, item in vars(module).items()
        if inspect.isclass(item) and issubclass(item, Fault) and item.__module__ == module.__name__
        if not inspect.isabstract(item)
    }
    return dict(sorted(found.items(), key=lambda fault: fault[0].lower()))


def spelled(faults_by_name: dict[str, type[Fault]]) -> list[str]:
    """The names as a list shows them; a numbered one with its bounds."""
    return [
        f"{name}_{fault.numbers[0]} to {name}_{fault.numbers[-1]}" if fault.numbers else name
        for name, fault in faults_by_name.items()
    ]


def find(name: str) -> tuple[type[Fault], dict[str, int]]:
    """The fault of a name, and the parameter in the name itself; ValueError suggests a similar name."""
    known = discover()
    fault = known.get(name)
    if fault is not None and fault.numbers is None:
        return fault, {}
    match = _NUMBERED.fullmatch(name)
    fault = known.get(match[1]) if match else None
    if match and fault is not None and fault.numbers and int(match[2]) in fault.numbers:
        return fault, {"number": int(match[2])}
    # A numbered one under its bare name and its first number, whichever is more like what was written.
    names = {line.split(" ")[0]: line for line in spelled(known)} | dict(zip(known, spelled(known), strict=True))
    close = get_close_matches(name.upper(), names, n=1)
    raise ValueError("no such fault" + (f"; did you mean {names[close[0]]}?" if close else ""))
