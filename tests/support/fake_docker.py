"""A `docker` command for the tests: an engine in a JSON file, with containers that are names and environments.

It answers what the Compose driver asks, in the words of Compose 2.26, and keeps what it was called with.
"""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SERVICES = ("link", "upstream-mock", "proxy", "locust")
PREFIXES = {"link": "NET_", "upstream-mock": "UPSTREAM_", "proxy": "PROXY_", "locust": "LOCUST_"}
PORTS = ("PROXY_PORT", "LOCUST_WEB_PORT", "UPSTREAM_PORT", "UPSTREAM_CONTROL_PORT", "NET_PORT", "NET_CONTROL_PORT")


def install(root: Path) -> "State":
    """Put the command and a Compose file into a clone, and return its state."""
    command = root / "bin" / "docker"
    command.parent.mkdir(exist_ok=True)
    command.write_text(  # -S: a start without what .venv holds, coverage's included
        f"#!{sys.executable} -S\nimport sys\nsys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        f"from support.fake_docker import main\nsys.exit(main({str(root)!r}, sys.argv[1:]))\n"
    )
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    (root / "docker-compose.yml").write_text("name: fake\n")
    return State(root)


class State:
    """What the engine holds."""

    def __init__(self, root: Path) -> None:
        self._path = root / "engine.json"
        self.root = root

    def read(self) -> dict[str, Any]:
        """Return containers, how many there have been, and the calls."""
        if not self._path.exists():
            return {"containers": {}, "made": 0, "calls": [], "volume": {}}
        found: dict[str, Any] = json.loads(self._path.read_text())
        return found

    def write(self, state: dict[str, Any]) -> None:
        """Keep it."""
        part = self._path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(state))
        part.replace(self._path)

    def calls(self, verb: str) -> list[list[str]]:
        """Return the calls of one Compose verb."""
        return [call for call in self.read()["calls"] if verb in call[:5]]


def main(root: str, arguments: list[str]) -> int:
    """Be the command."""
    keeper = State(Path(root))
    state = keeper.read()
    state["calls"].append(arguments)
    words = [
        word for word in arguments if word in ("version", "ps", "up", "down", "logs", "run", "kill", "rm", "restart")
    ]
    code = _ANSWERS[words[0]](state, arguments, Path(root))
    keeper.write(state)
    return code


def _version(_state: dict[str, Any], arguments: list[str], _root: Path) -> int:
    print("2.26.1" if "compose" in arguments else "20.10.24")
    return 0


def _ps(state: dict[str, Any], _arguments: list[str], _root: Path) -> int:
    for service, container in state["containers"].items():
        published = [{"PublishedPort": port} for port in container.get("ports", [])]
        print(json.dumps({"Service": service, "ID": container["id"], "Publishers": published}))
    return 0


def _up(state: dict[str, Any], arguments: list[str], root: Path) -> int:
    if os.environ.get("NET_PROFILE") == "broken":
        print("container fake-link-1 is unhealthy")
        return 1
    if os.environ.get("NET_PROFILE") == "taken":
        address = f"127.0.0.1:{os.environ['PROXY_PORT']}"
        print(f"Error starting userland proxy: listen tcp4 {address}: bind: address already in use")
        return 1
    named = [service for service in SERVICES if service in arguments] or SERVICES
    for service in named:
        wanted = {k: v for k, v in os.environ.items() if k.startswith(PREFIXES[service]) and k not in PORTS and v}
        if state["containers"].get(service, {}).get("environment") != wanted:
            state["made"] += 1
            state["containers"][service] = {"id": str(state["made"]), "environment": wanted}
    if os.environ.get("NET_PROFILE") == "slow":
        _like_docker(state, root)
    return 0


def _like_docker(state: dict[str, Any], root: Path) -> None:
    """Wait for a plugin that takes long; like docker, pass no signal on to it."""
    State(root).write(state)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    plugin = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, 0); time.sleep(40)"])
    (root / "plugin.pid").write_text(str(plugin.pid))
    plugin.wait()


def _down(state: dict[str, Any], _arguments: list[str], root: Path) -> int:
    deadline = time.monotonic() + 35
    while os.environ.get("NET_PROFILE") == "stubborn" and time.monotonic() < deadline:
        (root / "down.began").touch()
        time.sleep(0.05)
        if any("kill" in call for call in State(root).read()["calls"]):
            break
    state["containers"] = {}
    return 0


def _logs(state: dict[str, Any], _arguments: list[str], root: Path) -> int:
    print("\x1b[2Kproxy-1  | it serves", flush=True)
    deadline = time.monotonic() + 30
    while State(root).read()["containers"] and time.monotonic() < deadline:
        time.sleep(0.05)
    state.update(State(root).read())
    return 0


def _run(state: dict[str, Any], arguments: list[str], _root: Path) -> int:
    from support.fake_part import document

    if "cat" in arguments:
        print(json.dumps(state["volume"][arguments[-1]]))
        return 0
    given = dict(word.split("=", 1) for word in arguments if "=" in word)
    run_id = f"20261120T221530Z-{len(state['volume']):04x}"
    path = f"/runs/{run_id}.json"
    state["volume"][path] = document(run_id, {name: value for name, value in given.items() if value})
    print(json.dumps({"run_id": run_id, "document": path}))
    return 0


def _nothing(_state: dict[str, Any], _arguments: list[str], _root: Path) -> int:
    return 0


_ANSWERS = {
    "version": _version,
    "ps": _ps,
    "up": _up,
    "down": _down,
    "logs": _logs,
    "run": _run,
    "kill": _nothing,
    "rm": _nothing,
    "restart": _nothing,
}
