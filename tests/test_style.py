"""The tools agree: ruff, mypy, and the rules about what may be named."""

import re
import subprocess
import sys

import pytest

from support.settings_table import ROOT

PACKAGES = ["proxy", "upstream_mock", "link", "loadtest", "lab", "service_kit"]


def run(*command: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_has_nothing_to_say() -> None:
    """Neither of the rules nor of the format."""
    run("ruff", "check", ".")
    run("ruff", "format", "--check", ".")


def test_mypy_strict_has_nothing_to_say() -> None:
    """All packages at once."""
    run("mypy", *[argument for package in PACKAGES for argument in ("-p", package)])


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("proxy", "upstream_mock|link|loadtest|lab"),
        ("upstream-mock", "proxy|link|loadtest|lab"),
        ("link", "proxy|upstream_mock|loadtest|lab"),
        ("loadtest", "proxy|upstream_mock|link"),
        ("lab", "proxy|upstream_mock|link|loadtest"),
        ("service-kit", "proxy|upstream_mock|link|loadtest|lab"),
    ],
)
def test_the_arrows_point_one_way(package: str, forbidden: str) -> None:
    """Of their subjects the services share the wire and the environment, not code; only loadtest uses lab."""
    pattern = re.compile(rf"^\s*(?:from|import) (?:{forbidden})\b", re.MULTILINE)
    found = [path for path in (ROOT / package / "src").rglob("*.py") if pattern.search(path.read_text())]
    assert not found


def test_labs_core_needs_no_more_than_the_locust_image_has() -> None:
    """typer, rich and dotenv belong to the command line only."""
    core = [path for path in (ROOT / "lab/src/lab").glob("*.py") if path.name != "__main__.py"]
    assert core
    pattern = re.compile(r"^\s*(?:from|import) (?:typer|rich|dotenv|lab\.cli)\b", re.MULTILINE)
    assert not [path for path in core if pattern.search(path.read_text())]


def test_no_lock_names_where_packages_come_from() -> None:
    """A lock is good for any index."""
    for lock in (ROOT / "requirements").glob("*.txt"):
        assert not re.search(r"https?://|--(?:index-url|find-links|extra-index-url)", lock.read_text())
