"""Which patterns there are: every module of the package that has a verdict."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import FastAPI

from proxy import patterns
from proxy.patterns.harness.upstream import Upstream
from proxy.patterns.harness.verdict import Verdict


@dataclass(frozen=True)
class Pattern:
    """One calling pattern: its name is its module's, its line the first of its docstring."""

    name: str
    line: str
    verdict: Verdict
    build: Callable[[Upstream], FastAPI]

    def document(self) -> dict[str, str]:
        """Return the pattern as `/-/patterns` shows it."""
        verdict = "use it" if self.verdict.use else "don't"
        return {"name": self.name, "line": self.line, "verdict": verdict, "because": self.verdict.because}


def discover() -> dict[str, Pattern]:
    """Import the pattern files and return them by name. None of them imports more than httpx and FastAPI."""
    found = {}
    for module_info in pkgutil.iter_modules(patterns.__path__):
        module = importlib.import_module(f"{patterns.__name__}.{module_info.name}")
        if hasattr(module, "VERDICT"):
            line = (module.__doc__ or "").strip().split("\n", 1)[0]
            found[module_info.name] = Pattern(module_info.name, line, module.VERDICT, module.build)
    return found
