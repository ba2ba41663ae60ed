"""What the link itself costs: requests a second and CPU through each engine against without it, and how late it is.

Mock upstream and link stand in a network namespace of their own, wrk in another. Rounds are interleaved; shown are
medians and ratios, and on shared cores only the ratios mean something. The link has one core, wrk and the mock have the
other. How late things leave under a steady 1,000 requests a second is the difference of the link's histogram, whose
buckets are a twentieth wide; a relay without a round trip holds nothing back that could be late. Needs root, iproute2,
iptables and wrk; an engine that is not available is left out, with a line. Every load is bounded: with the defaults it
takes two minutes. Exit 1 if an engine is later than it may be.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SOURCES = [str(ROOT / each) for each in ("link/src", "upstream-mock/src", "service-kit/src")]
sys.path[:0] = SOURCES

from service_kit.histogram import difference, parse_buckets, percentile  # noqa: E402

SIDES: dict[str, dict[str, str]] = {
    "off": {"NET_ENGINE": "off"},
    "without": {},
    **{
        f"{engine} {rtt} ms": {"NET_ENGINE": engine, "NET_RTT_MS": rtt}
        for engine in ("relay", "tun")
        for rtt in ("0", "1")
    },
}
"""`off` comes first, and `without` after it: a link's rules outlive it, and only the next one takes them away."""

LINK_CORE, LOAD_CORE = "0", "1"
SYSCTLS = {"ip_forward": "1", "ip_early_demux": "0", "conf/eth0/rp_filter": "0"}
"""What Compose sets in the link's container."""
CONNECTIONS = 64
STEADY_RPS, STEADY_CONNECTIONS = 1000, 50
LATE_MS = {"p50": 1.0, "p99": 5.0}
"""What an engine's lateness may be at a steady load: below what would be taken for the upstream's."""

STEADY = """
import asyncio, sys
host, seconds, rate, connections = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
async def main():
    ways = [await asyncio.open_connection(host, 8001) for _ in range(connections)]
    free = asyncio.Queue()
    for way in ways:
        free.put_nowait(way)
    async def one(way):
        reader, writer = way
        writer.write(b"GET /work HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n")
        head = (await reader.readuntil(b"\\r\\n\\r\\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].split(None, 1)[0]))
        free.put_nowait(way)
    loop = asyncio.get_running_loop()
    begin, tasks, missed = loop.time(), set(), 0
    for number in range(int(rate * seconds)):
        await asyncio.sleep(begin + number / rate - loop.time())
        if free.empty():
            missed += 1
            continue
        task = loop.create_task(one(free.get_nowait()))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    print(missed)
asyncio.run(main())
"""


@dataclass(frozen=True)
class Round:
    """One round of one side. `late_ms` holds p50 and p99, `cpu_us` the link's CPU a request; None: it has none."""

    rps: float
    p50_ms: float
    cpu_us: float | None
    late_ms: dict[str, float | None]


class Namespaces:
    """Two network namespaces joined by a veth pair: mock and link run in `far`, the load in `near`."""

    address = "10.204.0.1"

    def __init__(self) -> None:
        self.far, self.near = (f"bench{side}{os.getpid()}" for side in "fn")
        for name in (self.far, self.near):
            output("ip", "netns", "add", name)
            output("ip", "-n", name, "link", "set", "lo", "up")
        output(
            "ip", "link", "add", "eth0", "netns", self.far, "type", "veth", "peer", "name", "eth0", "netns", self.near
        )
        for name, address in ((self.far, self.address), (self.near, "10.204.0.2")):
            output("ip", "-n", name, "address", "add", f"{address}/24", "dev", "eth0")
            output("ip", "-n", name, "link", "set", "eth0", "up")
        for name, value in SYSCTLS.items():
            output("ip", "netns", "exec", self.far, "sh", "-c", f"echo {value} > /proc/sys/net/ipv4/{name}")

    def start(self, part: str, **variables: str) -> subprocess.Popen[str]:
        """Start a part beside the upstream, with just these variables."""
        command = ["ip", "netns", "exec", self.far, sys.executable, "-m", part]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(SOURCES), **variables}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    def stop(self, process: subprocess.Popen[str]) -> None:
        process.terminate()
        process.communicate(timeout=10)

    def get(self, port: int, path: str) -> dict[str, Any]:
        """Return what a control port in `far` answers."""
        url = f"http://127.0.0.1:{port}/-/{path}"
        script = f"import urllib.request; print(urllib.request.urlopen({url!r}, timeout=30).read().decode())"
        found: dict[str, Any] = json.loads(output("ip", "netns", "exec", self.far, sys.executable, "-c", script))
        return found

    def load(self, *command: str) -> str:
        """Run a command in the load's namespace and on its core; return its output."""
        return output("ip", "netns", "exec", self.near, "taskset", "-c", LOAD_CORE, *command)

    def close(self) -> None:
        for name in (self.far, self.near):
            output("ip", "netns", "del", name)


def output(*command: str) -> str:
    """Run a command; return its output."""
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def missing() -> str | None:
    """Return what this machine lacks; None if nothing."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root on Linux"
    tools = [name for name in ("ip", "iptables", "wrk", "taskset") if not shutil.which(name)]
    return f"needs {', '.join(tools)}" if tools else None


def main() -> int:
    """Measure and print; 1 if an engine was too late, 3 if something is missing here."""
    options = parse()
    if reason := missing():
        print(f"bench/link_cost.py: {reason}", file=sys.stderr)
        return 3
    found: dict[str, list[Round]] = {name: [] for name in SIDES}
    netns = Namespaces()
    try:
        with mock(netns):
            for number in range(1, options.rounds + 1):
                for name in list(found):
                    one = one_round(netns, SIDES[name], options.seconds)
                    if one is None:
                        print(f"{name}: not available here, left out")
                        del found[name]
                        continue
                    found[name].append(one)
                    print(f"round {number}: {name:12} {one.rps:9.0f} requests/s", flush=True)
    finally:
        netns.close()
    return show(found)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default 3)")
    parser.add_argument("--seconds", type=int, default=3, help="length of each load (default 3)")
    return parser.parse_args()


@contextlib.contextmanager
def mock(netns: Namespaces) -> Iterator[None]:
    """Run the mock upstream without a delay, on the core that the load has."""
    variables = {"UPSTREAM_HOST": "0.0.0.0", "UPSTREAM_LATENCY": "constant(0ms)"}
    process = netns.start("upstream_mock", **variables)
    pinned(process.pid, LOAD_CORE)
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(subprocess.CalledProcessError):
            netns.get(8091, "healthy")
            break
        if time.monotonic() > deadline:
            raise SystemExit("the mock upstream does not listen")
        time.sleep(0.05)
    yield
    netns.stop(process)


def one_round(netns: Namespaces, variables: dict[str, str], seconds: int) -> Round | None:
    """Return what wrk and the link report of one load of each kind; None if the engine is not available."""
    process = None
    if variables:
        process = netns.start("link", NET_HOST="0.0.0.0", **variables)
        if not (process.stdout and process.stdout.readline()):
            netns.stop(process)
            return None
        pinned(process.pid, LINK_CORE)
    before = cpu_seconds(netns, process)
    rps, p50 = wrk(netns, seconds)
    used = cpu_seconds(netns, process) - before
    through = process is not None and variables["NET_ENGINE"] in {"relay", "tun"}
    late = lateness(netns, seconds) if through else {}
    if process:
        netns.stop(process)
    return Round(rps, p50, 1e6 * used / (rps * seconds) if through and rps else None, late)


def lateness(netns: Namespaces, seconds: int) -> dict[str, float | None]:
    """Return p50 and p99 in milliseconds of what left during a steady load, as upper bounds; None if nothing waited."""
    before = histogram(netns)
    steady(netns, seconds)
    late = difference(histogram(netns), before)
    return {f"p{percent}": percentile(late, percent / 100) for percent in (50, 99)}


def histogram(netns: Namespaces) -> dict[float, int]:
    """Return how many things left how late since the link began, by upper bound in milliseconds."""
    return parse_buckets(netns.get(8092, "stats")["lateness_ms"])


def cpu_seconds(netns: Namespaces, process: subprocess.Popen[str] | None) -> float:
    """Return the CPU a link has used, by its own word."""
    return float(netns.get(8092, "stats")["process"]["cpu_seconds"]) if process else 0.0


def pinned(pid: int, core: str) -> None:
    """Give a process with all its threads one core."""
    subprocess.run(["taskset", "-a", "-c", "-p", core, str(pid)], check=True, capture_output=True)


def wrk(netns: Namespaces, seconds: int) -> tuple[float, float]:
    """Return requests a second and their median in milliseconds under as much load as passes."""
    url = f"http://{netns.address}:8001/work"
    text = netns.load("wrk", "-t1", f"-c{CONNECTIONS}", "--latency", f"-d{seconds}s", url)
    rate, half = re.search(r"Requests/sec:\s+(\S+)", text), re.search(r"50%\s+([\d.]+)(us|ms|s)", text)
    if not rate or not half:
        raise SystemExit(f"wrk said nothing that can be read:\n{text}")
    return float(rate[1]), float(half[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[half[2]]


def steady(netns: Namespaces, seconds: int) -> None:
    """Send a steady load, the same whatever comes back."""
    load = [str(value) for value in (netns.address, seconds, STEADY_RPS, STEADY_CONNECTIONS)]
    missed = int(netns.load(sys.executable, "-c", STEADY, *load))
    if missed > 0.1 * STEADY_RPS * seconds:
        print(f"  {missed} of {STEADY_RPS * seconds:.0f} steady requests found no free connection")


def show(found: dict[str, list[Round]]) -> int:
    """Print medians and ratios; return 1 if an engine was later than it may be."""
    without = statistics.median(one.rps for one in found["without"])
    print(
        f"\n{'side':12} {'requests/s':>11} {'of without':>11} {'p50 ms':>8} {'CPU us':>8} {'late p50':>9} {'p99 ms':>8}"
    )
    late = []
    for name, rounds in found.items():
        rps, p50 = (statistics.median(getattr(one, key) for one in rounds) for key in ("rps", "p50_ms"))
        cpu = median([one.cpu_us for one in rounds])
        lateness = {each: median([one.late_ms.get(each) for one in rounds]) for each in LATE_MS}
        late += [f"{name} {each}" for each, most in LATE_MS.items() if (lateness[each] or 0.0) > most]
        figures = f"{shown(cpu, 0):>8} {shown(lateness['p50'], 3):>9} {shown(lateness['p99'], 3):>8}"
        print(f"{name:12} {rps:>11.0f} {rps / without:>11.2f} {p50:>8.2f} {figures}")
    print(f"\n{'MISSED' if late else 'ok':12}  lateness at {STEADY_RPS} requests/s: p50 at most {LATE_MS['p50']:g} ms, "
          f"p99 at most {LATE_MS['p99']:g} ms{': ' + ', '.join(late) if late else ''}")  # fmt: skip
    return 1 if late else 0


def median(values: list[float | None]) -> float | None:
    """Return the median of what is known."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def shown(value: float | None, digits: int) -> str:
    """Return a figure, or a dash for none."""
    return "-" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
