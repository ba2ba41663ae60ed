"""Two proxies at once on one core: the CPU time that each needs for a request, and their ratio.

Where the sides of bench/throughput.py take turns, a shared machine's own speed differs between two turns by up to a
half, and a difference of 3 % cannot be seen. Here both run in the same seconds, before the same mock, each loaded by a
wrk of its own: what slows the machine slows both. Needs wrk, and a .venv made by ./sandbox. Every load is bounded, and
what was started is ended.

    .venv/bin/python bench/at_once.py --against ../older pyreqwest-tuned/old-pyreqwest
"""

import argparse
import contextlib
import re
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sides import LOAD_CORE, SIDES, mock, running
from throughput import unavailable

WARM_UP_SECONDS = 5
TURN_SECONDS = 2
CONNECTIONS = 64


@dataclass(frozen=True)
class Proxy:
    """A side that runs."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """Of all its threads. Linux: the first figure of schedstat, in ns."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def main() -> int:
    """Measure and print; 1 if a ratio is below --at-least."""
    arguments = parse()
    if (missing := unavailable(arguments.against)) is not None:
        code, sentence = missing
        print(f"bench/at_once.py: {sentence}", file=sys.stderr)
        return code
    worst = 10.0
    for first, second in arguments.pairs:
        ratios = measured(first, second, arguments.turns, arguments.against)
        lower, middle, upper = statistics.quantiles(ratios, n=4)
        print(f"{first} / {second}: {middle:.3f} of its requests in the same CPU time ({lower:.3f} to {upper:.3f})")
        worst = min(worst, middle)
    return 1 if worst < arguments.at_least else 0


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="+", type=pair, metavar="SIDE/SIDE", help="sides of bench/throughput.py")
    parser.add_argument("--turns", type=int, default=15, help=f"how many of {TURN_SECONDS} s a pair (default 15)")
    parser.add_argument("--at-least", type=float, default=0.0, help="exit with 1 if a ratio is smaller")
    parser.add_argument("--against", type=Path, metavar="DIR", help="an older checkout, for the sides named old-...")
    return parser.parse_args()


def pair(text: str) -> tuple[str, str]:
    """Read two sides."""
    first, _, second = text.partition("/")
    for name in (first, second):
        if name not in SIDES or SIDES[name].program != "proxy":
            proxies = ", ".join(name for name, side in SIDES.items() if side.program == "proxy")
            raise argparse.ArgumentTypeError(f"'{name}': no side that is a proxy; allowed: {proxies}")
    return first, second


def measured(first: str, second: str, turns: int, against: Path | None) -> list[float]:
    """Return, turn by turn, the requests of the first for one of the second in the same CPU time."""
    ratios = []
    with mock(LOAD_CORE) as upstream, contextlib.ExitStack() as stack:
        proxies = []
        for name in (first, second):
            port = stack.enter_context(running(SIDES[name], upstream, against))
            proxies.append(Proxy(port, pid_of(port)))
        cpu_of_requests(proxies, WARM_UP_SECONDS)
        for turn in range(turns):
            one, other = cpu_of_requests(proxies, TURN_SECONDS)
            ratios.append(other / one)
            print(f"{turn + 1:3}: {one * 1e6:5.0f} us and {other * 1e6:5.0f} us", file=sys.stderr, flush=True)
    return ratios


def pid_of(port: int) -> int:
    """Return the process of ours that was given this port."""
    given = f"PROXY_PORT={port}".encode()
    for children in Path("/proc/self/task").glob("*/children"):
        for pid in children.read_text().split():
            if given in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                return int(pid)
    raise SystemExit(f"no proxy runs on port {port}")


def cpu_of_requests(proxies: list[Proxy], seconds: int) -> list[float]:
    """Load all of them at once; return the CPU seconds a request of each."""
    before = [proxy.cpu_seconds() for proxy in proxies]
    loads = [wrk(proxy.port, seconds) for proxy in proxies]
    requests = [int(match[1]) if (match := re.search(r"(\d+) requests in", text(load))) else 0 for load in loads]
    if not all(requests):
        raise SystemExit("wrk got no answer")
    used = [proxy.cpu_seconds() - so_far for proxy, so_far in zip(proxies, before, strict=True)]
    return [cpu / count for cpu, count in zip(used, requests, strict=True)]


def wrk(port: int, seconds: int) -> "subprocess.Popen[str]":
    url = f"http://127.0.0.1:{port}/work"
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", "--timeout", "10s", f"-d{seconds}s", url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def text(load: "subprocess.Popen[str]") -> str:
    output, _ = load.communicate(timeout=60)
    return output


if __name__ == "__main__":
    sys.exit(main())
