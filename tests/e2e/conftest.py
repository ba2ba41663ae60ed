"""One stack of each kind for all end-to-end tests: a run brings it to the baseline and its own settings first."""

import time
from collections.abc import Iterator

import pytest
from e2e.conditions import bring_up, compose

from support.clone import Clone, Foreground, clone


@pytest.fixture(scope="session")
def local() -> Iterator[Clone]:
    """A clone for services as processes; `up` starts them."""
    with clone() as made:
        yield made


@pytest.fixture(scope="session")
def up(local: Clone) -> Iterator[Foreground]:
    """`./sandbox up --processes`, ready."""
    running = Foreground(local, "./sandbox", "up", "--processes")
    try:
        seconds = running.until(r"Pool Sandbox is ready", 120)
        local.measured.append(f"./sandbox up --processes on a ready .venv: ready within {seconds:.1f} s")
        yield running
    finally:
        assert running.stop() == 130, running.output


@pytest.fixture(scope="session")
def composed() -> Iterator[Clone]:
    """A clone whose images are built and whose stack is up, by the two commands of the README."""
    with clone() as made:
        try:
            began = time.monotonic()
            compose(made, "build", "-q")
            built = time.monotonic()
            bring_up(made)
            made.measured.append(f"docker compose build: {built - began:.1f} s")
            made.measured.append(f"docker compose up --wait -d, images built: {time.monotonic() - built:.1f} s")
            yield made
        finally:
            compose(made, "--profile", "*", "down", "-v", "--rmi", "local", "-t", "2", expect=None)
