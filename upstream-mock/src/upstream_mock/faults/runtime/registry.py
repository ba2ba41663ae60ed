"""Which faults there are: every module of the package that has one."""

import importlib
import pkgutil
import re
from difflib import get_close_matches

from upstream_mock import faults
from upstream_mock.faults.runtime.fault import Fault

_NUMBERED = re.compile(r"([A-Z0-9_]+)_(\d{1,9})")


def discover() -> dict[str, type[Fault]]:
    """Import the fault files and return their faults by name. None of them imports more than the harness."""
    found: dict[str, type[Fault]] = {}
    for module_info in pkgutil.iter_modules(faults.__path__):
        if module_info.ispkg:
            continue
        module = importlib.import_module(f"{faults.__name__}.{module_info.name}")
        for item in vars(module).values():
            if isinstance(item, type) and issubclass(item, Fault) and item.__module__ == module.__name__:
                found[module_info.name.upper()] = item
    return found


def spelled(faults_by_name: dict[str, type[Fault]]) -> list[str]:
    """The names as a list shows them; a numbered one with its bounds."""
    return [
        f"{name}_{fault.numbers[0]} to {name}_{fault.numbers[-1]}" if fault.numbers else name
        for name, fault in faults_by_name.items()
    ]


def find(name: str) -> tuple[type[Fault], dict[str, int]]:
    """The fault of a name, and what the name itself says to it; ValueError says which name may have been meant."""
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
