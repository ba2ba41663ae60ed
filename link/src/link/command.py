"""Runs ip, tc and iptables."""

import os
import subprocess


class SetUpError(Exception):
    """The kernel refused something; the message says what, `said` is the first line of the tool's own words."""

    def __init__(self, command: str, said: str):
        super().__init__(f"{command}: {said}")
        self.said = said


def run(command: list[str], text: str = "", **variables: str) -> str:
    """Run a command with `text` as its input; return what it says. Raises SetUpError if it fails."""
    # The lock's usual place, /run, is not writable in a container with a read-only root.
    environment = os.environ | {"XTABLES_LOCKFILE": "/tmp/xtables.lock"} | variables
    try:
        done = subprocess.run(
            command, input=text, text=True, capture_output=True, env=environment, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetUpError(command[0], str(error)) from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise SetUpError(" ".join(command), said[0] if said else f"exit {done.returncode}")
    return done.stdout


def fails(command: list[str]) -> str | None:
    """Run a command; return why it fails, None if it does not."""
    try:
        run(command)
    except SetUpError as error:
        return str(error)
    return None
