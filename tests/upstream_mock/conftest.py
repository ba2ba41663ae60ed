"""A mock with given settings, in the test's own loop or as a process."""

import os
from collections.abc import Iterator

import pytest

from support.mock_upstream import MockProcess, RunMock, StartProcess, serving_mock


@pytest.fixture
def run_mock() -> RunMock:
    """An async context manager: a mock with these settings, serving."""
    return serving_mock


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("UPSTREAM_"):
            monkeypatch.delenv(name)


@pytest.fixture
def start_process() -> Iterator[StartProcess]:
    """Starts mocks as processes, and ends those that the test leaves."""
    started: list[MockProcess] = []

    def start(*arguments: str, **variables: object) -> MockProcess:
        started.append(MockProcess(*arguments, **variables))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()
