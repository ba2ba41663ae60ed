"""With CI set, a test that needs Docker or a browser fails where there is none; elsewhere it is skipped, and why."""

import os
import shutil
import subprocess

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot run, but never in CI. The long tests come last."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is not None)
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
