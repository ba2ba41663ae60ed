"""Runs ip and iptables."""

import os
import subprocess


class SetUpError(Exception):
    """The kernel refused something; the message is the command and the first line of its error output."""


def run(command: list[str], text: str = "") -> str:
    """Run a command with `text` as its input; return what it says. Raises SetUpError if it fails."""
    # The lock's usual place, /run, is not writable in a container with a read-only root.
    environment = os.environ | {"XTABLES_LOCKFILE": "/tmp/xtables.lock"}
    try:
        done = subprocess.run(
            command, input=text, text=True, capture_output=True, env=environment, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetUpError(f"{command[0]}: {error}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        reason = said[0] if said else f"exit {done.returncode}"
        raise SetUpError(f"{' '.join(command)}: {reason}")
    return done.stdout


def fails(command: list[str]) -> str | None:
    """Run a command; return why it fails, None if it does not."""
    try:
        run(command)
    except SetUpError as error:
        return str(error)
    return None
