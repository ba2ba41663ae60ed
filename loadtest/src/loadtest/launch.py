"""From a validated environment to a running Locust: defaults, ports, and the program to become."""

import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from loadtest.mistakes import variable
from loadtest.settings import LocustSettings, Settings

LOCUSTFILE = Path(__file__).with_name("locustfile.py")


def locust_environment(environment: Mapping[str, str], settings: Settings, locust: LocustSettings) -> dict[str, str]:
    """Return the environment for Locust: no empty variables (Locust dies of them), our defaults filled in."""
    filled = {
        name: value for name, value in environment.items() if value != "" or not name.startswith(("LAB_", "LOCUST_"))
    }
    for field, value in locust:
        if value is not None and value is not False:
            filled.setdefault(variable(LocustSettings, field), "true" if value is True else str(value))
    filled.setdefault("LOCUST_SPAWN_RATE", str(locust.users))
    if settings.progress:
        filled.setdefault("LOCUST_ONLY_SUMMARY", "true")
    if locust.processes and not environment.get("LOCUST_MASTER_BIND_PORT"):
        # Master and workers of one machine: a free port of its own, so that several sandboxes do not meet.
        port = str(_free_port())
        filled |= {"LOCUST_MASTER_BIND_PORT": port, "LOCUST_MASTER_NODE_PORT": port}
        filled |= {"LOCUST_MASTER_BIND_HOST": "127.0.0.1", "LOCUST_MASTER_NODE_HOST": "127.0.0.1"}
    return filled


def taken_port(locust: LocustSettings) -> str | None:
    """Return one line about a port that this process would listen on and cannot, or None."""
    wanted = []
    if locust.has_web_ui:
        wanted.append(("LOCUST_WEB_PORT", locust.web_host, locust.web_port))
    if locust.mode_master:
        wanted.append(("LOCUST_MASTER_BIND_PORT", "0.0.0.0", locust.master_bind_port))
    for name, host, port in wanted:
        if not _is_free(host, port):
            return f"{name}={port}: already in use on {host}; set {name} to a free port"
    return None


def unwritable(runs_dir: Path) -> str | None:
    """Return one line if no run could be written to the folder, or None."""
    folder = runs_dir.absolute()
    while not folder.exists():
        folder = folder.parent
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return None
    return f"LAB_RUNS_DIR='{runs_dir}': cannot be written to; allowed: a folder this user may write to"


def become_locust(environment: Mapping[str, str]) -> None:
    """Replace this process by Locust; it keeps the process id, so signals and exit code are Locust's own.

    Interrupts are held back while it imports (the mask survives exec): locustfile.py lets them in.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE)], dict(environment))


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
