"""Runs of the sandbox on free ports, for the measurements beside it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.run_document import RunDocument
from service_kit.listening import free_port

_ROOT = Path(__file__).parents[1]
_PORTS = ("PROXY_PORT", "UPSTREAM_PORT", "UPSTREAM_CONTROL_PORT", "NET_PORT", "NET_CONTROL_PORT", "LOCUST_WEB_PORT")
_SECONDS = 300


def made(arguments: Sequence[str], mode: str = "processes", descriptors: int | None = None) -> RunDocument:
    """Make one `./sandbox run` with these arguments and return its document. Ends the program if there is none.

    `descriptors`: how many each of its processes may have (`ulimit -n`).
    """
    limit = [] if descriptors is None else ["prlimit", f"--nofile={descriptors}:{descriptors}"]
    return RunDocument.model_validate_json(_printed(arguments, mode, _SECONDS, limit))


def made_repeats(arguments: Sequence[str], repeat: int, mode: str = "processes") -> list[RunDocument]:
    """Make that many runs of the same settings on the same services; return their documents."""
    printed = _printed([*arguments, "--repeat", str(repeat)], mode, _SECONDS * repeat)
    runs = json.loads(printed)
    return [RunDocument.model_validate(run) for run in (runs if isinstance(runs, list) else [runs])]


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Keep so many cores busy meanwhile."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def _printed(arguments: Sequence[str], mode: str, seconds: float, before: Sequence[str] = ()) -> str:
    environment = {**os.environ, **ports()}
    command = [*before, str(_ROOT / "sandbox"), "run", f"--{mode}", "--json", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=seconds)
    if not done.stdout.strip():
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr.strip()[-2000:]}")
    return done.stdout


def ports() -> dict[str, str]:
    """Return free ports for the services."""
    return {name: str(free_port()) for name in _PORTS}
