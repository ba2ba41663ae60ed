"""The registry of patterns: every module of a package that has a VERDICT."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import NamedTuple

from fastapi import FastAPI

from proxy.pattern_runtime.clients import Upstream


class Verdict(NamedTuple):
    """Whether to use a pattern, and why."""

    use: bool
    because: str


def use_it(because: str) -> Verdict:
    """Recommend a pattern."""
    return Verdict(True, because)


def dont(because: str) -> Verdict:
    """Advise against a pattern."""
    return Verdict(False, because)


@dataclass(frozen=True)
class Pattern:
    """One calling pattern: its name and its docstring are its module's."""

    name: str
    docstring: str
    verdict: Verdict
    build: Callable[[Upstream], FastAPI]

    def document(self) -> dict[str, str]:
        """Return the pattern as `/-/patterns` shows it."""
        verdict = "use it" if self.verdict.use else "don't"
        line = self.docstring.partition("\n")[0]
        return {"name": self.name, "line": line, "verdict": verdict, "because": self.verdict.because}

    def whole_document(self) -> dict[str, object]:
        """Return it as `/-/patterns/{pattern}` shows it: where it comes from and what to expect of it, paragraphs."""
        paragraphs = [" ".join(text.split()) for text in self.docstring.split("\n\n")[1:]]
        return {**self.document(), "about": paragraphs, "call": f"/-/patterns/{self.name}/work"}


def discover(package: ModuleType) -> dict[str, Pattern]:
    """Import the modules of a package and return its patterns by name."""
    found = {}
    for module_info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        if hasattr(module, "VERDICT"):
            docstring = (module.__doc__ or "").strip()
            found[module_info.name] = Pattern(module_info.name, docstring, module.VERDICT, module.build)
    return found
