"""Requests per second through the proxy, against the snippet, nginx and itself; and what the ledger costs.

The sides are interleaved: every round measures each of them, so all see the same machine; the ledger on and off in
turns, several times a round, for they differ by less than two loads of the same side. Shown are medians, and ratios
turn by turn; on shared cores read the ratios. The proxy has one core, wrk and the upstream have the other; where the
mock is the one that is measured, it has the proxy's. Needs wrk; without nginx its side is left out and said. Every load
is bounded, and what was started is ended. The mock alone: `--only mock --only mock-no-log --only httpx`.
"""

import argparse
import contextlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = [ROOT / part / "src" for part in ("proxy", "upstream-mock", "service-kit")]
PROXY_CORE, LOAD_CORE = "0", "1"


@dataclass(frozen=True)
class Side:
    """Something that forwards. `environment` is the proxy's; `program` says which program it is."""

    name: str
    program: str = "proxy"
    connections: int = 64
    environment: tuple[tuple[str, str], ...] = ()


def proxy(name: str, connections: int = 64, **environment: str) -> Side:
    """Return a side that is this project's proxy."""
    return Side(name, "proxy", connections, tuple(environment.items()))


SIDES = {
    side.name: side
    for side in (
        Side("snippet", "snippet"),
        proxy("httpx"),
        proxy("httpx-no-ledger", PROXY_LEDGER="false"),
        proxy("httpx-gate", PROXY_QUEUE="gate"),
        proxy("httpx-gate-no-ledger", PROXY_QUEUE="gate", PROXY_LEDGER="false"),
        proxy("httpx2", PROXY_CLIENT="httpx2"),
        proxy("aiohttp-gate", PROXY_CLIENT="aiohttp", PROXY_QUEUE="gate"),
        proxy("pyreqwest-gate", PROXY_CLIENT="pyreqwest", PROXY_QUEUE="gate"),
        proxy("pyreqwest-no-ledger", PROXY_CLIENT="pyreqwest", PROXY_QUEUE="gate", PROXY_LEDGER="false"),
        proxy("httpx-20", 20),
        proxy("httpx-20-gate", 20, PROXY_QUEUE="gate"),
        Side("nginx", "nginx"),
        Side("mock", "mock"),
        Side("mock-no-log", "mock", environment=(("UPSTREAM_LOG_ENTRIES", "0"),)),
    )
}

LEDGER_TURNS = 3
"""How often the ledger on and off are measured in a round."""

PLAN = [
    ("snippet", 64),
    *[("httpx", 64), ("httpx-no-ledger", 64)] * LEDGER_TURNS,
    *[("httpx-gate", 64), ("httpx-gate-no-ledger", 64)] * LEDGER_TURNS,
    *((name, 64) for name in ("httpx2", "aiohttp-gate", "nginx")),
    ("mock", 64),
    ("mock-no-log", 64),
    ("pyreqwest-gate", 8),
    ("pyreqwest-gate", 256),
    *[("pyreqwest-gate", 64), ("pyreqwest-no-ledger", 64)] * LEDGER_TURNS,
    ("httpx-20", 220),
    ("httpx-20-gate", 220),
]
"""What is measured: a side and the number of connections that wrk keeps busy."""


@dataclass(frozen=True)
class Check:
    """A ratio of two sides and what it must be; no bound means that it is shown only."""

    text: str
    over: tuple[str, int]
    under: tuple[str, int]
    at_least: float | None = None


CHECKS = [
    Check("httpx with ledger / the snippet", ("httpx", 64), ("snippet", 64), 1.3),
    Check("pyreqwest / the snippet", ("pyreqwest-gate", 64), ("snippet", 64), 15),
    Check("pyreqwest / nginx", ("pyreqwest-gate", 64), ("nginx", 64), 0.1),
    Check("pyreqwest at 256 / at 8", ("pyreqwest-gate", 256), ("pyreqwest-gate", 8), 0.8),
    Check("httpx: ledger on / off", ("httpx", 64), ("httpx-no-ledger", 64), 0.9),
    # the same with the gate: without it httpx wanders between two speeds, a third apart, from load to load
    Check("httpx with gate: ledger on / off", ("httpx-gate", 64), ("httpx-gate-no-ledger", 64), 0.9),
    Check("pyreqwest: ledger on / off", ("pyreqwest-gate", 64), ("pyreqwest-no-ledger", 64), 0.9),
    Check("httpx, 200 waiting for 20: gate / client", ("httpx-20-gate", 220), ("httpx-20", 220)),
    Check("the mock alone / httpx through the proxy", ("mock", 64), ("httpx", 64), 20),
    Check("the mock: log on / off", ("mock", 64), ("mock-no-log", 64), 0.9),
]

WARM_UP_SECONDS = 6
"""Longer than httpx's keepalive_expiry of 5 s: the burst at the start opens a connection for every request, and with
all of them kept httpx is three times slower than with the dozen that an upstream without delay needs."""

LONGEST_OVER_MEDIAN = 20
"""Fairness: at 256 connections no request may take more than so many times the median."""


@dataclass(frozen=True)
class Measured:
    """What wrk says of one load."""

    rps: float
    p50_ms: float
    max_ms: float
    errors: int


def main() -> int:
    """Measure and print; 1 if a bound was missed, 3 if something is missing here."""
    arguments = parse()
    if shutil.which("wrk") is None:
        print("wrk is not installed (Debian: apt install wrk)", file=sys.stderr)
        return 3
    plan = [(name, load) for name, load in PLAN if not arguments.only or name in arguments.only]
    if shutil.which("nginx") is None:
        plan = [entry for entry in plan if entry[0] != "nginx"]
        print("nginx is not installed: its side is left out")
    found: dict[tuple[str, int], list[Measured]] = {entry: [] for entry in plan}
    with mock(LOAD_CORE) as upstream:
        for number in range(1, arguments.rounds + 1):
            for name, load in plan:
                with side(SIDES[name], upstream) as port:
                    measured = wrk(port, load, arguments.seconds)
                found[name, load].append(measured)
                print(f"round {number}: {name:22} c={load:<4} {measured.rps:9.0f} requests/s", flush=True)
    show(found)
    return 1 if missed(found) else 0


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default 3)")
    parser.add_argument("--seconds", type=float, default=4, help="length of each load (default 4)")
    parser.add_argument("--only", action="append", choices=sorted(SIDES), help="only this side; may be repeated")
    return parser.parse_args()


def show(found: dict[tuple[str, int], list[Measured]]) -> None:
    """Print the medians."""
    print(f"\n{'side':22} {'c':>4} {'requests/s':>11} {'p50 ms':>8} {'max ms':>8} {'errors':>7}")
    for (name, load), rounds in found.items():
        rps, p50, longest = (
            statistics.median(getattr(one, key) for one in rounds) for key in ("rps", "p50_ms", "max_ms")
        )
        errors = sum(one.errors for one in rounds)
        print(f"{name:22} {load:>4} {rps:>11.0f} {p50:>8.2f} {longest:>8.1f} {errors:>7}")


def missed(found: dict[tuple[str, int], list[Measured]]) -> bool:
    """Print the checks and return whether one was missed."""
    failed = False
    print()
    for check in CHECKS:
        if not found.get(check.over) or not found.get(check.under):
            print(f"not measured  {check.text}")
            continue
        ratio = median_ratio(found[check.over], found[check.under])
        verdict = "" if check.at_least is None else ("ok" if ratio >= check.at_least else "MISSED")
        failed |= verdict == "MISSED"
        bound = "shown only" if check.at_least is None else f"at least {check.at_least:g}"
        print(f"{verdict or '-':12}  {check.text}: {ratio:.2f} ({bound})")
    fair = found.get(("pyreqwest-gate", 256))
    if fair:
        worst = statistics.median(one.max_ms / one.p50_ms for one in fair)
        failed |= worst > LONGEST_OVER_MEDIAN
        verdict = "ok" if worst <= LONGEST_OVER_MEDIAN else "MISSED"
        print(f"{verdict:12}  pyreqwest at 256: longest / median request: {worst:.1f} (at most {LONGEST_OVER_MEDIAN})")
    return failed


def median_ratio(over: list[Measured], under: list[Measured]) -> float:
    """Return how much more one side does than another: the median of all turns, or the ratio of the medians if one had
    more turns than the other."""
    if len(over) == len(under):
        return statistics.median(one.rps / other.rps for one, other in zip(over, under, strict=True))
    return statistics.median(one.rps for one in over) / statistics.median(one.rps for one in under)


def wrk(port: int, connections: int, seconds: float) -> Measured:
    """Warm up until the first burst's idle connections have expired, then load for some seconds."""
    url = f"http://127.0.0.1:{port}/work"
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", "--latency", "--timeout", "10s", url]
    subprocess.run([*command, f"-d{WARM_UP_SECONDS}s"], capture_output=True, check=True, timeout=60)
    done = subprocess.run(
        [*command, f"-d{seconds:g}s"], capture_output=True, text=True, check=True, timeout=60 + seconds
    )
    text = done.stdout
    sockets = sum(int(count) for count in re.findall(r"(?:connect|read|write|timeout) (\d+)", text))
    statuses = sum(int(count) for count in re.findall(r"Non-2xx or 3xx responses: (\d+)", text))
    latency = re.search(r"Latency\s+\S+\s+\S+\s+(\S+)", text)
    half = re.search(r"^\s+50%\s+(\S+)", text, re.MULTILINE)
    rate = re.search(r"Requests/sec:\s+(\S+)", text)
    if not (latency and half and rate):
        raise SystemExit(f"wrk said nothing that can be read:\n{text}")
    return Measured(float(rate[1]), milliseconds(half[1]), milliseconds(latency[1]), sockets + statuses)


def milliseconds(text: str) -> float:
    """Read a duration of wrk's: 12.34us, 1.20ms, 3.00s."""
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    assert match, text
    return float(match[1]) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}[match[2]]


@contextlib.contextmanager
def mock(core: str, **environment: str) -> Iterator[int]:
    """Run the mock upstream without a delay, on one core."""
    port, control = free_port(), free_port()
    variables = {"UPSTREAM_PORT": port, "UPSTREAM_CONTROL_PORT": control, "UPSTREAM_LATENCY": "constant(0ms)"}
    variables |= environment
    with process([sys.executable, "-m", "upstream_mock"], core, port, "/work", **variables):
        yield port


@contextlib.contextmanager
def side(which: Side, upstream: int) -> Iterator[int]:
    """Run one side, on a core of its own, and give its port."""
    if which.program == "mock":
        with mock(PROXY_CORE, **dict(which.environment)) as alone:
            yield alone
        return
    port = free_port()
    url = f"http://127.0.0.1:{upstream}"
    with contextlib.ExitStack() as stack:
        if which.program == "nginx":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pool-sandbox-bench-")))
            (folder / "nginx.conf").write_text(nginx_conf(port, upstream, folder, which.connections))
            command = ["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
            stack.enter_context(process(command, PROXY_CORE, port, "/work"))
        elif which.program == "snippet":
            command = [sys.executable, "-m", "uvicorn", "snippet:app", "--app-dir", str(ROOT / "bench")]
            command += ["--port", str(port), "--no-access-log", "--log-level", "warning"]
            variables = {"UPSTREAM_URL": url, "CONNECTIONS": which.connections}
            stack.enter_context(process(command, PROXY_CORE, port, "/work", **variables))
        else:
            limits = {f"PROXY_MAX_{kind}CONNECTIONS": str(which.connections) for kind in ("", "KEEPALIVE_")}
            variables = {"PROXY_PORT": str(port), "PROXY_UPSTREAM_URL": url, "PROXY_POOL_TIMEOUT_SECONDS": "30"}
            variables |= limits | dict(which.environment)
            stack.enter_context(process([sys.executable, "-m", "proxy"], PROXY_CORE, port, "/-/ready", **variables))
        yield port


@contextlib.contextmanager
def process(command: list[str], core: str, port: int, path: str, **variables: object) -> Iterator[None]:
    """Run a command on one core until it answers; end it afterwards."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, SOURCES))}
    environment |= {name: str(value) for name, value in variables.items()}
    running = subprocess.Popen(
        ["taskset", "-c", core, *command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2):
                break
            if running.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{' '.join(command[:3])} did not start")
            time.sleep(0.05)
        yield
    finally:
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def nginx_conf(port: int, upstream: int, folder: Path, connections: int) -> str:
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


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
