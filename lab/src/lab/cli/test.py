"""`test`: the sandbox's own tests."""

import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
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
_MOST = ("-n", "2", "--no-loadscope-reorder", "--durations=15", "-m", "not timing")
"""The end-to-end tests one after the other in one process, beside them the others in a second one."""

_TIMING = ("-n", "0", "-m", "timing")
"""Tests that assert on the wall clock run alone."""

_ONCE_MORE = ("-n", "0", "--last-failed", "--last-failed-no-failures=none")
"""Tests that fail are run once more, alone: they failed beside another process, or on a machine others work on."""


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
    """How a call of pytest ended: its exit code, and how many tests passed, failed and were skipped."""

    code: int
    passed: int
    failed: int
    skipped: int

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def _test_everything(root: Path) -> int:
    _coverage(root, "erase")
    codes, summaries = [], []
    for name, arguments, launcher in (
        ("all but timing", _MOST, ("coverage", "run", "-m")),
        ("timing, alone", _TIMING, ()),
    ):
        result = _counted(root, *arguments, launcher=launcher)
        summaries.append(f"{name}: {result}")
        if _CODES.get(result.code) == ExitCode.INTERRUPTED:
            return ExitCode.INTERRUPTED
        if result.code == ExitCode.FELL_SHORT:
            result = _counted(root, *_ONCE_MORE)
            summaries.append(f"those once more: {result}")
        codes.append(result.code)
    print(f"./sandbox test: {_covered(root)}")
    print(f"./sandbox test: {'; '.join(summaries)}")
    return exit_code(*codes)


def exit_code(most: int, timing: int) -> int:
    """Return the sandbox's code for pytest's codes of both calls; that there are no timing tests is no failure."""
    codes = (most, 0 if timing == _NO_TESTS else timing)
    return next((_CODES.get(code, ExitCode.UNAVAILABLE) for code in codes if code), ExitCode.OK)


def _covered(root: Path) -> str:
    """Return a line with the share of each package's lines that ran, in the tests or in processes they started."""
    _coverage(root, "combine", "--quiet")
    shares = []
    for source in sorted(root.glob("*/src/*/__init__.py")):
        package = source.parent
        share = _coverage(root, "report", "--format=total", f"--include={package}/*")
        shares.append(f"{package.name} {share or '?'} %")
    return f"lines covered: {', '.join(shares)}"


def _coverage(root: Path, *arguments: str) -> str:
    command = [sys.executable, "-P", "-m", "coverage", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True).stdout.strip()


def _counted(root: Path, *arguments: str, launcher: tuple[str, ...] = ()) -> _Result:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        code = _pytest(root, *arguments, f"--junit-xml={report}", launcher=launcher)
        suite = ElementTree.parse(report).find("testsuite") if report.is_file() else None
    if suite is None:
        return _Result(code, 0, 0, 0)
    tests, failures, errors, skipped = (int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped"))
    return _Result(code, tests - failures - errors - skipped, failures + errors, skipped)


def _pytest(root: Path, *arguments: str, launcher: tuple[str, ...] = ()) -> int:
    return subprocess.call([sys.executable, "-P", "-m", *launcher, "pytest", *arguments], cwd=root)
