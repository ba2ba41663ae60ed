"""What bench/throughput.py compares: programs that forward, how each is started, on a core of its own.

All run on the Python that runs the benchmark, with this checkout's packages as `./sandbox` links them, so with the
sys.path of everybody's app. Sides of an older checkout run on its own Python.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service_kit.listening import free_port

BENCH = Path(__file__).parent
PROXY_CORE, LOAD_CORE = "0", "1"

_SNIPPET = (
    "import sys; from proxy.sniffio_import import set_up; set_up(sys.argv.pop(1)); "
    "import uvicorn; sys.exit(uvicorn.main())"
)
"""uvicorn's command line, with or without sniffio as PROXY_SNIFFIO has it."""

_OLD_UNTUNED = """
import gc, runpy
gc.freeze, gc.set_threshold = (lambda: None), (lambda *_: None)
import proxy.connection, proxy.clients.pyreqwest_client
proxy.connection.HoldingTransport.hold = lambda _: None
proxy.clients.pyreqwest_client.let_the_loop_finish = lambda: 1
runpy.run_module("proxy", run_name="__main__")
"""
"""The proxy of commit 6c81e4c without its tuning, which had no switch there."""


@dataclass(frozen=True)
class Side:
    """Something that forwards. `environment` is its own; `program` is which program it is.

    `old` means that it is the proxy of the checkout that --against names.
    """

    name: str
    program: str = "proxy"
    connections: int = 64
    environment: tuple[tuple[str, str], ...] = ()
    old: bool = False


def proxy(name: str, client: str, connections: int = 64, *, old: bool = False, **environment: str) -> Side:
    """Return a side that is this project's proxy."""
    return Side(name, "proxy", connections, (("PROXY_CLIENT", client), *environment.items()), old)


GATE: dict[str, Any] = {"PROXY_QUEUE": "gate"}
TUNED: dict[str, Any] = {"PROXY_TUNING": "on"}
UNTUNED: dict[str, Any] = {"PROXY_TUNING": "off"}
NO_LEDGER: dict[str, Any] = {"PROXY_LEDGER": "false"}

SIDES = {
    side.name: side
    for side in (
        Side("snippet", "snippet", environment=(("SNIFFIO", "absent"),)),
        Side("snippet-sniffio", "snippet", environment=(("SNIFFIO", "present"),)),
        proxy("httpx", "httpx"),
        proxy("httpx-sniffio", "httpx", PROXY_SNIFFIO="present"),
        proxy("httpx-tuned", "httpx", **TUNED),
        proxy("httpx-no-ledger", "httpx", **NO_LEDGER),
        proxy("httpx2", "httpx2"),
        proxy("httpx2-tuned", "httpx2", **TUNED),
        proxy("httpcore", "httpcore"),
        proxy("httpcore-untuned", "httpcore", **UNTUNED),
        proxy("httpcore-gate", "httpcore", **GATE),
        proxy("httpcore-gate-no-ledger", "httpcore", **GATE, **NO_LEDGER),
        proxy("aiohttp", "aiohttp", **GATE),
        proxy("aiohttp-tuned", "aiohttp", **GATE, **TUNED),
        proxy("pyreqwest", "pyreqwest", **GATE),
        proxy("pyreqwest-tuned", "pyreqwest", **GATE, **TUNED),
        proxy("pyreqwest-no-ledger", "pyreqwest", **GATE, **NO_LEDGER),
        proxy("httpx-20", "httpx", 20),
        proxy("httpx-20-gate", "httpx", 20, **GATE),
        proxy("old-httpx", "httpx", old=True),
        proxy("old-aiohttp", "aiohttp", old=True, **GATE),
        proxy("old-aiohttp-untuned", "aiohttp", old=True, UNTUNED="1", **GATE),
        proxy("old-pyreqwest", "pyreqwest", old=True, **GATE),
        proxy("old-pyreqwest-untuned", "pyreqwest", old=True, UNTUNED="1", **GATE),
        Side("nginx", "nginx"),
        Side("mock", "mock"),
        Side("mock-no-log", "mock", environment=(("UPSTREAM_LOG_ENTRIES", "0"),)),
    )
}


@contextlib.contextmanager
def running(side: Side, upstream: int, against: Path | None) -> Iterator[int]:
    """Run one side before the upstream's port and give its own."""
    if side.program == "mock":
        with mock(PROXY_CORE, **dict(side.environment)) as alone:
            yield alone
        return
    port = free_port()
    url = f"http://127.0.0.1:{upstream}"
    environment = dict(side.environment)
    with contextlib.ExitStack() as stack:
        if side.program == "nginx":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pool-sandbox-bench-")))
            (folder / "nginx.conf").write_text(_nginx_conf(port, upstream, folder, side.connections))
            command = ["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
            stack.enter_context(process(command, PROXY_CORE, port, "/work"))
        elif side.program == "snippet":
            command = [sys.executable, "-P", "-c", _SNIPPET, environment["SNIFFIO"], "snippet:app"]
            command += ["--app-dir", str(BENCH), "--port", str(port), "--no-access-log", "--log-level", "warning"]
            variables = {"UPSTREAM_URL": url, "CONNECTIONS": side.connections}
            stack.enter_context(process(command, PROXY_CORE, port, "/work", **variables))
        else:
            untuned = bool(environment.pop("UNTUNED", ""))
            limits = {f"PROXY_MAX_{kind}CONNECTIONS": str(side.connections) for kind in ("", "KEEPALIVE_")}
            variables = {"PROXY_PORT": str(port), "PROXY_UPSTREAM_URL": url, "PROXY_POOL_TIMEOUT_SECONDS": "30"}
            variables |= limits | environment
            command = [sys.executable, "-P", "-m", "proxy"]
            if side.old:
                assert against is not None
                command = [_python(against), "-P", *(("-c", _OLD_UNTUNED) if untuned else ("-m", "proxy"))]
                variables["PYTHONPATH"] = os.pathsep.join(str(source) for source in against.glob("*/src"))
            stack.enter_context(process(command, PROXY_CORE, port, "/-/ready", **variables))
        yield port


@contextlib.contextmanager
def mock(core: str, **environment: str) -> Iterator[int]:
    """Run the mock upstream without a delay, on one core."""
    port, control = free_port(), free_port()
    variables = {"UPSTREAM_PORT": port, "UPSTREAM_CONTROL_PORT": control, "UPSTREAM_LATENCY": "constant(0ms)"}
    variables |= environment
    with process([sys.executable, "-P", "-m", "upstream_mock"], core, port, "/work", **variables):
        yield port


@contextlib.contextmanager
def process(command: Sequence[str], core: str, port: int, path: str, **variables: object) -> Iterator[None]:
    """Run a command on one core until it answers; end it afterwards."""
    environment = {"PATH": os.environ["PATH"]} | {name: str(value) for name, value in variables.items()}
    with tempfile.TemporaryFile() as said:
        running = subprocess.Popen(["taskset", "-c", core, *command], env=environment, stdout=said, stderr=said)
        try:
            deadline = time.monotonic() + 20
            while True:
                with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2):
                    break
                if running.poll() is not None or time.monotonic() > deadline:
                    said.seek(0)
                    raise SystemExit(f"{' '.join(command[:4])} did not start:\n{said.read().decode()[-2000:]}")
                time.sleep(0.05)
            yield
        finally:
            running.terminate()
            try:
                running.wait(10)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


def _python(checkout: Path) -> str:
    own = checkout / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def _nginx_conf(port: int, upstream: int, folder: Path, connections: int) -> str:
    """Return nginx as a reverse proxy with one worker and kept connections."""
    return f"""
worker_processes 1; daemon off; pid {folder}/pid; user root;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream mock {{ server 127.0.0.1:{upstream}; keepalive {connections}; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{port};
    location / {{ proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
}}
"""
