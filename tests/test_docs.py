"""README and docs: short where they must be, no dead links, no files that are gone, no command that no test runs."""

import io
import re
from pathlib import Path
from typing import get_args

import pytest
from rich.console import Console

from lab.cli.compare import print_comparison
from lab.comparison.compare import compare
from lab.conclusion import Bottleneck
from lab.run_document import RunDocument
from link.profiles import PROFILES
from proxy.errors import CHANGE_REFUSED, CODES
from support.docs import PAGES, blocks
from support.servers import ROOT
from upstream_mock.faults.runtime.registry import discover
from upstream_mock.latency.parse import distributions

README_LINES = 160


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES


def test_the_readme_shows_what_compare_prints_today() -> None:
    """Over the two runs that it shows; tests/e2e/test_readme.py makes them anew."""
    runs = [
        RunDocument.model_validate_json((ROOT / "tests" / "golden" / f"readme_{label}.json").read_text())
        for label in ("ten", "twenty")
    ]
    shown = io.StringIO()
    print_comparison(Console(file=shown, width=110), compare(runs))
    lines = "\n".join(line.rstrip() for line in shown.getvalue().splitlines())
    assert f"```text\n{lines}\n```" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_is_executed_or_says_why_not(page: Path) -> None:
    for block in blocks(page):
        assert (block.language == "console") != bool(block.why), f"{page.name}:\n{block.text}"
        assert block.language != "console" or block.commands


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name == "docs"], ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    """From the root, or as the end of a path within a package: `forward/headers.py`."""
    files = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("*/src/**/*.py")]
    for name in re.findall(r"`([\w.-]+/[\w./-]+\.\w+)`", page.read_text()):
        assert (ROOT / name).exists() or any(path.endswith(f"/{name}") for path in files), f"{page.name}: {name}"


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("upstream.md", {name for name in discover() if name != "STATUS"} | {"STATUS_400"}),
        ("upstream.md", set(distributions())),
        ("network.md", set(PROFILES)),
        ("proxy.md", {*CODES, CHANGE_REFUSED}),
        ("runs.md", set(get_args(Bottleneck))),
    ],
    ids=["faults", "distributions", "profiles", "codes", "bottlenecks"],
)
def test_the_docs_name_what_there_is(page: str, names: set[str]) -> None:
    assert names - set(re.findall(r"`([\w-]+)", (ROOT / "docs" / page).read_text())) == set()
