"""The rules: each module of this package has a `find`, from `Facts` to a `Finding` or None."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from functools import cache

from lab.conclusion import Finding
from lab.verdict.facts import Facts

Rule = Callable[[Facts], Finding | None]


def rules() -> tuple[Rule, ...]:
    """Return the rules of all modules, in the order of their names."""
    return _found(tuple(__path__))


@cache
def _found(paths: Iterable[str]) -> tuple[Rule, ...]:
    names = sorted(module.name for module in pkgutil.iter_modules(list(paths)))
    return tuple(importlib.import_module(f"{__name__}.{name}").find for name in names)
