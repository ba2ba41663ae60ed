"""The size of the product's modules and functions: one noun a module, a function fits a screen."""

import ast
from collections.abc import Iterator

import pytest

from support.settings_table import ROOT

MODULES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in sorted(ROOT.glob("*/src/**/*.py"))}
MODULE_LINES = 250
FUNCTION_LINES = 45
"""Without the docstring: what a function promises may take some lines."""


def long_functions(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node, clean=False) is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            if (node.end_lineno or 0) - node.lineno + 1 - docstring > FUNCTION_LINES:
                yield node.name


@pytest.mark.parametrize("lines", [FUNCTION_LINES, FUNCTION_LINES + 1])
def test_long_functions_are_found_and_a_docstring_does_not_count(lines: int) -> None:
    body = ['    """One.', "", "    Two.", '    """'] + ["    pass"] * (lines - 1)
    found = list(long_functions("\n".join(["async def f() -> None:", *body])))
    assert found == ["f"] * (lines > FUNCTION_LINES)


def test_no_module_holds_too_much() -> None:
    assert [module for module, source in MODULES.items() if source.count("\n") > MODULE_LINES] == []


def test_every_function_fits_a_screen() -> None:
    assert [(module, name) for module, source in MODULES.items() for name in long_functions(source)] == []
