"""A fake part for the tests of the command line: it starts at once, and does on demand what a real one does seldom.

`python fake_part.py NAME VARIABLE...` listens on the ports that those variables name, and shows at /-/config what it
was given. It imports nothing of the sandbox: tests start hundreds of them.
`GET /die` ends it with exit code 7, after `GET /change` its config is marked as changed; `PUT /-/config` takes
PROXY_MAX_CONNECTIONS alone; the value `bad` fails the check; `die` ends it at start; `stubborn` ignores SIGTERM;
`parent` has a child of its own; `slow` takes a second until it is ready; `never` is never ready. A run of 666 users
measures nothing, in one of 667 every request fails, one of 668 takes a minute if there are others; one of
669 begins, but has no end of its own for a SIGINT yet.
"""

import os
import sys

if __name__ == "__main__" and "--check" in sys.argv:
    # Before all imports: the tests check often.
    mistakes = [f"{key}='bad': no good; allowed: anything else" for key, value in os.environ.items() if value == "bad"]
    print(*mistakes, sep="\n", file=sys.stderr)
    sys.exit(2 if mistakes else 0)

import json
import signal
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def main(name: str, port_variables: list[str]) -> int:
    """Be one part."""
    given = {key: value for key, value in os.environ.items() if key.isupper() and "_" in key}
    if "--config" in sys.argv:
        print(json.dumps({"settings": {"PROXY_MAX_CONNECTIONS": 10} if name == "proxy" else {}}))
        return 0
    odd = set(given.values())
    if given.get("LOCUST_HEADLESS"):
        return headless(given)
    if "die" in odd:
        print(f"{name} cannot go on", flush=True)
        return 7
    if "stubborn" in odd:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "slow" in odd:
        time.sleep(1)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) if "parent" in odd else None
    answer = {
        "service": name,
        "settings": {},
        "pid": os.getpid(),
        "status": "ok",
        "state": given.get("LOCUST_STATE", "ready"),
        "engine": given.get("NET_ENGINE", "off"),
        "environment": dict(os.environ),
        "child": child.pid if child else None,
    }
    ports = [int(given[variable]) for variable in port_variables]
    servers = [ThreadingHTTPServer(("127.0.0.1", port), handler(answer)) for port in ports]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"{name} listens", flush=True)
    while True:
        signal.pause()


def handler(answer: dict[str, object]) -> type[BaseHTTPRequestHandler]:
    """Answer every GET with the same, but /die, and /-/ready of what is never ready; take changes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/die":
                print("asked to die", flush=True)
                os._exit(7)
            if self.path == "/change":
                answer.update(changed=True, revision=100)
            unready = "never" in os.environ.values() and self.path == "/-/ready"
            self.answer(503 if unready else 200, {"because": "the upstream sleeps"} if unready else answer)

        def do_PUT(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if asked.keys() != {"PROXY_MAX_CONNECTIONS"}:
                self.answer(400, {})
                return
            environment, revision = answer["environment"], answer.get("revision", 0)
            assert isinstance(environment, dict)
            assert isinstance(revision, int)
            answer.update(environment=environment | asked, changed=True, revision=revision + 1)
            self.answer(200, answer)

        def answer(self, status: int, document: dict[str, object]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            return

    return Handler


def headless(given: dict[str, str]) -> int:
    """Be a run of a second that is recorded, unless its users say otherwise."""
    stopped = threading.Event()
    users = int(given.get("LOCUST_USERS", "20"))
    if users != 669:
        signal.signal(signal.SIGINT, lambda *_: stopped.set())
    if users == 666:
        print("nothing answered", file=sys.stderr)
        return 1
    seconds = float(given.get("LOCUST_RUN_TIME", "0.1s").rstrip("s"))
    if users == 668 and any(Path(given["LAB_RUNS_DIR"]).glob("*.json")):
        seconds = 60
    point = {"t_seconds": 0.2, "of_seconds": seconds, "users": users, "requests": 9, "failures": 0, "rps": 9.5}
    print(json.dumps({**point, "p50_ms": 100, "p99_ms": 120, "pool_active": 3, "pool_waiting": 1}), flush=True)
    interrupted = stopped.wait(seconds)
    run_id = f"20261120T221530Z-{os.getpid():04x}"
    path = Path(given["LAB_RUNS_DIR"], f"{run_id}.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document(run_id, given, "interrupted" if interrupted else "finished")))
    print(json.dumps({"run_id": run_id, "document": str(path)}), flush=True)
    return 130 if interrupted else 0


def document(run_id: str, given: dict[str, str], status: str = "finished") -> dict[str, object]:
    """Return a run document as small as the schema lets it be."""
    connections = int(given.get("PROXY_MAX_CONNECTIONS", "10"))
    failures = 200 * connections if given.get("LOCUST_USERS") == "667" else 0
    settings: dict[str, object] = {"load": {k: v for k, v in given.items() if k.startswith(("LOCUST_", "LAB_"))}}
    settings["proxy"] = {"PROXY_MAX_CONNECTIONS": connections}
    return {
        "id": run_id,
        "label": given.get("LAB_RUN_LABEL", ""),
        "group": given.get("LAB_RUN_GROUP", ""),
        "mode": "headless",
        "status": status,
        "started_at": "2026-11-20T22:15:30Z",
        "stopped_at": "2026-11-20T22:15:50Z",
        "window_seconds": 20.0,
        "users": int(given.get("LOCUST_USERS", "20")),
        "settings": {"start": settings, "end": settings},
        "versions": {},
        "totals": {"requests": 200 * connections, "failures": failures, "rps": 10.0 * connections},
        "latency_ms": {"p50": 100.0, "p99": 120.0, "histogram": {}},
        "errors": {},
        "cpu_cores": {"proxy": 0.5},
        "witnesses": {"locust_requests": 200, "locust_failures": 0},
        "audit": {"agreed": True, "checks": []},
        "generator": {},
        "verdict": {"bottleneck": "pool", "because": "all connections were busy.", "advice": "Raise it."},
        "series": [],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
