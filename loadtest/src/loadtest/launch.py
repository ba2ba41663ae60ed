"""From a validated environment to a running Locust: defaults, ports, and the program to become."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtest.locust_variables import LOCUST_VARIABLES
from loadtest.settings import LocustSettings, Settings
from service_kit.exits import UsageError
from service_kit.listening import free_port, listen
from service_kit.settings_errors import load, mistake
from service_kit.variables import as_text, variable_name

LOCUSTFILE = Path(__file__).with_name("locustfile.py")


def read_settings() -> tuple[Settings, LocustSettings]:
    """Return the settings of this process's environment. Raises UsageError."""
    settings, locust = load(Settings, LocustSettings, also_known=LOCUST_VARIABLES)
    lines = []
    reset = os.environ.get("LOCUST_RESET_STATS", "")
    if reset.lower() in ("true", "yes", "on", "1"):
        lines.append(
            mistake("LOCUST_RESET_STATS", reset, "forgets requests that the proxy has counted; allowed: unset")
        )
    if not locust.mode_worker and not _is_writable(settings.runs_dir):
        wrong = "cannot be written to; allowed: a folder this user may write to"
        lines.append(mistake("LAB_RUNS_DIR", settings.runs_dir, wrong))
    if lines:
        raise UsageError(lines)
    return settings, locust


def settings_in_force(settings: Settings, locust: LocustSettings) -> dict[str, Any]:
    """Return every setting by its variable's name. Unset: one process, and all users at once."""
    found = {
        variable_name(type(model), field): value
        for model in (settings, locust)
        for field, value in model.model_dump(mode="json").items()
    }
    found["LOCUST_SPAWN_RATE"] = locust.spawn_rate or float(locust.users)
    found["LOCUST_PROCESSES"] = locust.processes or 1
    return found


def locust_environment(environment: Mapping[str, str], settings: Settings, locust: LocustSettings) -> dict[str, str]:
    """Return the environment for Locust: no empty variables (Locust dies of them), our defaults filled in."""
    filled = {
        name: value for name, value in environment.items() if value != "" or not name.startswith(("LAB_", "LOCUST_"))
    }
    for field, value in locust:
        if value is not None and value is not False:
            filled.setdefault(variable_name(LocustSettings, field), as_text(value))
    filled.setdefault("LOCUST_SPAWN_RATE", str(locust.users))
    if settings.progress:
        filled.setdefault("LOCUST_ONLY_SUMMARY", "true")
    if locust.processes and not environment.get("LOCUST_MASTER_BIND_PORT"):
        # Master and workers of one machine: a free port of its own, so that several sandboxes do not meet.
        port = str(free_port())
        filled |= {"LOCUST_MASTER_BIND_PORT": port, "LOCUST_MASTER_NODE_PORT": port}
        filled |= {"LOCUST_MASTER_BIND_HOST": "127.0.0.1", "LOCUST_MASTER_NODE_HOST": "127.0.0.1"}
    return filled


def check_ports(locust: LocustSettings) -> None:
    """Raise UnavailableError if Locust could not listen on one of its ports."""
    wanted = []
    if locust.has_web_ui:
        wanted.append(("LOCUST_WEB", locust.web_host, locust.web_port))
    if locust.mode_master:
        wanted.append(("LOCUST_MASTER_BIND", "0.0.0.0", locust.master_bind_port))
    for prefix, host, port in wanted:
        listen(host, port, host_variable=f"{prefix}_HOST", port_variable=f"{prefix}_PORT").close()


def become_locust(environment: Mapping[str, str]) -> None:
    """Replace this process by Locust; it keeps the process id, so signals and exit code are Locust's own.

    Interrupts are held back while it imports (the mask survives exec): locustfile.py lets them in.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE)], dict(environment))


def _is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, which itself is made if it is missing."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
