"""The README's commands, executed in the order of the text."""

import re
import shlex
from collections.abc import Callable, Iterator

import pytest

from support.clone import Clone, Foreground, clone
from support.docs import commands
from support.servers import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

README = (ROOT / "README.md").read_text()
FIRST_SCREEN = "docker compose up --build"
READY = {
    FIRST_SCREEN: r"Starting web interface",
    "./sandbox up --processes": r"Pool Sandbox is ready",
}
"""Commands that stay in the foreground, and what they print when they are ready."""


WORKERS = "COMPOSE_PROFILES=workers docker compose up -d --scale locust-worker=2"


@pytest.fixture
def here() -> Iterator[Clone]:
    with clone() as made:
        made.environment["LOCUST_RUN_TIME"] = "3s"  # so long as to show the ratio, not as long as a reader would
        try:
            yield made
        finally:
            made.command("docker", "compose", "--profile", "*", "down", "-v", "--rmi", "local", "-t", "2", expect=None)


def test_the_commands_do_what_they_say(here: Clone, say: Callable[[str], None]) -> None:
    """One after the other, as a reader would type them; the first run and the second differ as the README shows."""
    assert f"    {FIRST_SCREEN}\n" in README
    foreground = started(here, FIRST_SCREEN)
    assert f"\n{WORKERS}\n" in (ROOT / "docs/runs.md").read_text()
    for command in commands(ROOT / "README.md"):
        words = shlex.split(command)
        if command == "./sandbox test":
            assert command in (ROOT / ".ci/run").read_text()  # it is what runs this test
        elif command in READY:
            if foreground.stop() not in (0, 130):
                assert panicked_when_all_was_stopped(here, foreground), foreground.output
                say("docker compose up met its own race when it was stopped, and all had been stopped")
            here.command("docker", "compose", "down", "-t", "2")
            foreground = started(here, command)
        else:
            shown = here.command(*words, timeout=240)
            if command == "./sandbox compare ten twenty":
                assert "One setting differs, PROXY_MAX_CONNECTIONS 10 -> 20" in " ".join(shown.stdout.split())
                assert re.search(r"throughput.*x(1\.[5-9]|2\.[0-3])", shown.stdout), shown.stdout
            if command == "./sandbox compare churn kept":
                # 40 ms of handshake less on requests of 180 ms, and hardly a connection opened
                assert re.search(r"throughput.*x1\.[1-9]", shown.stdout), shown.stdout
                assert re.search(r"connections opened.*x0\.[0-4]", shown.stdout), shown.stdout
    assert foreground.stop() == 130, foreground.output
    here.command(*shlex.split(WORKERS)[1:], "--wait", COMPOSE_PROFILES="workers")


def panicked_when_all_was_stopped(here: Clone, foreground: Foreground) -> bool:
    """Whether Compose, to 2.26, met its own race at the end of `up`: https://github.com/docker/compose/issues/11710."""
    left = here.command("docker", "compose", "ps", "--quiet").stdout
    return foreground.process.returncode == 2 and "panic: close of closed channel" in foreground.output and not left


def started(here: Clone, command: str) -> Foreground:
    """Start a command that stays in the foreground and wait until it is ready."""
    running = Foreground(here, *shlex.split(command))
    running.until(READY[command], 240)
    return running
