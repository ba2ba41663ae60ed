"""`test`: the sandbox's own tests."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lab.cli.options import workspace_of
from service_kit.exits import ExitCode

_CODES = {
    0: ExitCode.OK,
    1: ExitCode.FELL_SHORT,
    2: ExitCode.INTERRUPTED,
    3: ExitCode.UNAVAILABLE,
    4: ExitCode.USAGE,
    5: ExitCode.FELL_SHORT,
}
"""pytest's exit codes in ours: that no tests were collected is a test that fell short."""

_NO_TESTS = 5
_BESIDE = ("-n", "5", "--no-loadscope-reorder", "--durations=15")
"""Five processes, for two cores: two of them have the end-to-end tests, and tests mostly wait."""

_TIMING = ("-n", "2")
"""For tests that assert on the wall clock: a core each. They wait for four fifths of their time."""

_ONCE_MORE = ("-n", "0", "--last-failed", "--last-failed-no-failures=none")
"""For any test that failed: alone."""


def test(
    context: typer.Context,
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[pytest arguments ...]")] = None,  # noqa: PT028
) -> int:
    """Run the tests; arguments are pytest's."""
    root = workspace_of(context).checkout.root
    # Ctrl-C is pytest's: it has the same terminal, and ends with a summary. A handler is not inherited by it.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return _CODES.get(_pytest(root, *arguments), ExitCode.UNAVAILABLE) if arguments else _test_everything(root)
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass(frozen=True)
class _Result:
    """How a call of pytest ended: its exit code, how many tests passed and were skipped, and which ones failed."""

    code: int
    passed: int = 0
    failed: tuple[str, ...] = ()
    skipped: int = 0

    def __str__(self) -> str:
        return f"{self.passed} passed, {len(self.failed)} failed, {self.skipped} skipped"


def _test_everything(root: Path) -> int:
    _coverage(root, "erase")
    codes, summaries, flaky = [], [], []
    for name, marker, how, launcher in (
        ("all but timing", "not timing", _BESIDE, ("coverage", "run", "-m")),
        ("timing", "timing", (*_TIMING, *_timing_files(root)), ()),
    ):
        result = _counted(root, *how, "-m", marker, launcher=launcher)
        summaries.append(f"{name}: {result}")
        if _CODES.get(result.code) == ExitCode.INTERRUPTED:
            return ExitCode.INTERRUPTED
        if result.code == ExitCode.FELL_SHORT:
            again = _counted(root, *_ONCE_MORE, "-m", marker)
            summaries.append(f"those once more: {again}")
            flaky += [test for test in result.failed if test not in again.failed]
            result = again
        codes.append(result.code)
    print(f"./sandbox test: {_covered(root)}")
    for test in flaky:
        print(f"./sandbox test: failed at first, passed alone: {test}")
    print(f"./sandbox test: {'; '.join(summaries)}")
    return exit_code(*codes)


def _timing_files(root: Path) -> list[str]:
    """Return the test files that have a test marked so: to collect all the others takes each process seconds."""
    return [str(path) for path in sorted(root.glob("tests/**/test_*.py")) if "pytest.mark.timing" in path.read_text()]


def exit_code(most: int, timing: int) -> int:
    """Return the sandbox's code for pytest's codes of both calls; that there are no timing tests is no failure."""
    codes = (most, 0 if timing == _NO_TESTS else timing)
    return next((_CODES.get(code, ExitCode.UNAVAILABLE) for code in codes if code), ExitCode.OK)


def _covered(root: Path) -> str:
    """Return a line with the share of each package's lines that ran, in the tests or in processes they started."""
    _coverage(root, "combine", "--quiet")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "coverage.json")
        # A module that a test has written and removed has no source any more.
        _coverage(root, "json", "--ignore-errors", "--include=*/src/*", "-o", str(report))
        files = json.loads(report.read_text())["files"] if report.is_file() else {}
    return f"lines covered: {covered_shares({path: found['summary'] for path, found in files.items()})}"


def covered_shares(files: Mapping[str, Mapping[str, int]]) -> str:
    """Return the share of each package, by coverage's summaries of its files: part/src/package/module.py."""
    lines, ran = Counter[str](), Counter[str]()
    for path, summary in files.items():
        package = path.partition("/src/")[2].partition("/")[0]
        lines[package] += summary["num_statements"]
        ran[package] += summary["covered_lines"]
    return ", ".join(f"{package} {100 * ran[package] / lines[package]:.0f} %" for package in sorted(+lines))


def _coverage(root: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-P", "-m", "coverage", *arguments], cwd=root, capture_output=True, check=False)


def _counted(root: Path, *arguments: str, launcher: tuple[str, ...] = ()) -> _Result:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        code = _pytest(root, *arguments, f"--junit-xml={report}", launcher=launcher)
        suite = ElementTree.parse(report).find("testsuite") if report.is_file() else None
    if suite is None:
        return _Result(code)
    tests, skipped = (int(suite.get(name, 0)) for name in ("tests", "skipped"))
    bad = [case for case in suite if case.find("failure") is not None or case.find("error") is not None]
    failed = tuple(dict.fromkeys(f"{case.get('file')}::{case.get('name')}" for case in bad))
    return _Result(code, tests - skipped - len(failed), failed, skipped)


def _pytest(root: Path, *arguments: str, launcher: tuple[str, ...] = ()) -> int:
    # pytest keeps the tests as it has rewritten them, which takes seconds, only where bytecode may be written.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.call([sys.executable, "-P", "-m", *launcher, "pytest", *arguments], cwd=root, env=environment)
