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


def discover() -> dict[str, Pattern]:
    """Import the pattern files and return them by name. None of them imports more than httpx and FastAPI."""
    found = {}
    for module_info in pkgutil.iter_modules(patterns.__path__):
        module = importlib.import_module(f"{patterns.__name__}.{module_info.name}")
        if hasattr(module, "VERDICT"):
            docstring = (module.__doc__ or "").strip()
            found[module_info.name] = Pattern(module_info.name, docstring, module.VERDICT, module.build)
    return found
