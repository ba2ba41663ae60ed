"""The tools agree: ruff, mypy, import-linter, and the rules about what may be named."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from support.servers import uncovered
from support.settings_table import ROOT

LINT_IMPORTS = "from importlinter.cli import lint_imports_command as main; main()"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def run(*command: str) -> None:
    words = [sys.executable, "-m", *command]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, env=uncovered())
    assert done.returncode == 0, done.stdout + done.stderr


def lint_imports(*paths: Path, contract: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-c", LINT_IMPORTS, "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    command += ["--contract", contract] if contract else []
    environment = {"PYTHONPATH": ":".join(map(str, paths)), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, env=environment)


@pytest.mark.slow
def test_ruff_has_nothing_to_say() -> None:
    """Neither of the rules nor of the format."""
    run("ruff", "check", ".")
    run("ruff", "format", "--check", ".")


@pytest.mark.slow
def test_mypy_strict_has_nothing_to_say() -> None:
    """All packages at once."""
    run("mypy")


@pytest.mark.slow
def test_imports_go_one_way_and_in_no_circle() -> None:
    """Of their subjects the services share the wire and the environment, not code."""
    done = lint_imports(*ROOT.glob("*/src"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract["id"])
def test_each_contract_can_be_broken(contract: dict[str, list[str] | str], tmp_path: Path) -> None:
    """A small house with the same packages, in which one imports what it must not."""
    sources, forbidden = contract.get("source_modules"), contract.get("forbidden_modules")
    for package in CONTRACTS[-1]["ancestors"]:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
    for module in ("lab.cli", "lab.backends", *[name for one in CONTRACTS for name in one.get("source_modules", ())]):
        if "." in module:
            (tmp_path / module.replace(".", "/")).with_suffix(".py").write_text("")
    if sources and forbidden:
        wrong = tmp_path / sources[0].replace(".", "/")
        wrong = wrong / "__init__.py" if wrong.is_dir() else wrong.with_suffix(".py")
        wrong.write_text(f"import {forbidden[0]}\n")
    else:
        (tmp_path / "proxy" / "one.py").write_text("import proxy.two\n")
        (tmp_path / "proxy" / "two.py").write_text("import proxy.one\n")
    done = lint_imports(tmp_path, contract=str(contract["id"]))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "0 kept, 1 broken" in done.stdout


def test_no_lock_names_where_packages_come_from() -> None:
    """A lock is good for any index."""
    for lock in (ROOT / "requirements").glob("*.txt"):
        assert not re.search(r"https?://|--(?:index-url|find-links|extra-index-url)", lock.read_text())
