"""The words and the names of the product: what its code may not be called, and no class name twice in a package."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.settings_table import ROOT

MODULES = {path.relative_to(ROOT).as_posix(): path for path in sorted(ROOT.glob("*/src/**/*.py"))}


def words(text: str) -> set[str]:
    """Return the words of an identifier or a sentence, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", text)}


BANNED = words(
    "struck strike strikes striking told untold heard unheard stand stands standing says said who whom nobody somebody "
    "anybody he his harness ward wedge wedged swap swaps journal board claim aside farewell obituary surroundings"
)
"""Metaphors, and verbs of speech for data and code; CONTRIBUTING.md asks for the field's own words."""

EXCEPTIONS = {
    # the names that fields had in run documents of version 1
    "lab/src/lab/emulation.py": {"struck", "says"},
    "lab/src/lab/witnesses.py": {"says", "unheard"},
    # sentences about the authors and users of a pattern, who are people
    "proxy/src/proxy/patterns/buffered_by_content_type.py": {"who"},
    "proxy/src/proxy/patterns/stream_aiter_bytes.py": {"who"},
}


def identifiers(node: ast.AST) -> Iterator[str]:
    for field in ("id", "name", "module", "arg", "attr", "asname"):
        if isinstance(value := getattr(node, field, None), str):
            yield value


def banned(source: str) -> set[str]:
    """Return the banned words among a module's identifiers and strings; docstrings and comments are sentences."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found: set[str] = set()
    for node in ast.walk(tree):
        for name in identifiers(node):
            found |= words(name)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            found |= words(node.value)
    return found & BANNED


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("told = 1", {"told"}),
        ("def is_struck(): ...", {"struck"}),
        ("class SwapClient: ...", {"swap"}),
        ("from a import ward as b", {"ward"}),
        ("from a.journal import b", {"journal"}),
        ("f(says=1)", {"says"}),
        ("x = f'{y} stands here'", {"stands"}),
        ('"""What is told."""', set()),
        ("understand = 'Boarding'", set()),
    ],
)
def test_banned_words_are_found(source: str, found: set[str]) -> None:
    assert banned(source) == found


def test_names_and_messages_are_plain() -> None:
    found = {module: banned(path.read_text()) | words(path.stem) & BANNED for module, path in MODULES.items()}
    assert {module: some for module, some in found.items() if some} == EXCEPTIONS


def test_no_class_name_means_two_things_in_a_package() -> None:
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for module, path in MODULES.items():
        package = Path(module).parts[2]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[package, node.name].append(module)
    assert {key: modules for key, modules in found.items() if len(modules) > 1} == {}
