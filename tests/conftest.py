"""With CI set, a test that needs Docker or a browser fails where there is none; elsewhere it is skipped, and why."""

import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling  # type: ignore[import-untyped] # xdist has no types

MEASURED = "measured"


def pytest_configure() -> None:
    """Hear Ctrl-C, and let what tests start hear it: a shell's background jobs ignore it, and so do their children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Coroutine tests run on asyncio: uvicorn and every client library are its own."""
    return "asyncio"


@pytest.fixture
def say(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Print a measurement in the summary, also from a worker process."""
    return lambda text: record_property(MEASURED, text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests measured, test by test."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    measured = [
        (report.nodeid, text) for report in reports for name, text in report.user_properties if name == MEASURED
    ]
    if measured:
        terminalreporter.section("measured")
    for nodeid, text in measured:
        terminalreporter.write_line(f"{nodeid.split('::')[0]} {nodeid.split('::')[-1]}")
        terminalreporter.write_line(f"    {str(text).replace(chr(10), chr(10) + '    ')}")


class ByFile(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """A file's tests stay in one process, for they share what they start; the end-to-end ones are two such groups.

    Those that share the stack in Compose are one after the other, the README's and those as processes are, and all the
    others beside them.
    """

    def _split_scope(self, nodeid: str) -> str:
        file: str = nodeid.split("::", 1)[0]
        if not file.startswith("tests/e2e/"):
            return file
        return "compose" if Path(file).name.startswith("test_compose") else "processes"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Hand tests to processes by file. (pytest 9.2 took away what xdist 3.8's own groups are made with.)"""
    return ByFile(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the end-to-end tests have the CPU first: they put loads on what they start."""
    first = any(item.get_closest_marker(marker) for marker in ("e2e", "timing"))
    if "PYTEST_XDIST_WORKER" in os.environ and not first and os.nice(0) == 0:
        os.nice(10)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot run, but never in CI."""
    # the longest groups first, so that no process is left alone with one at the end
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (item.get_closest_marker("e2e") is None, -slow[item.path]))
    if os.environ.get("CI"):
        return
    missing = {}
    if any(item.get_closest_marker("docker") for item in items) and not _has_docker():
        missing["docker"] = "no Docker engine answers"
    if shutil.which("chromium") is None:
        missing["browser"] = "chromium is not installed"
    for item in items:
        for marker, reason in missing.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def _has_docker() -> bool:
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
