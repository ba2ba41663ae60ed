"""What the ledger costs: CPU per request of the proxy with PROXY_LEDGER on and off, interleaved, by wrk.

The two proxies stand in front of one mock upstream without latency. Prints each round and the medians; exit 1 if the
ledger costs more than the bound.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import urllib.request
from contextlib import ExitStack

from sides import LOAD_CORE, mock, proxy, running

CLIENTS = ("httpx", "httpx2", "httpcore", "aiohttp", "pyreqwest")
CONNECTIONS = 16


def arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", action="append", choices=CLIENTS, help="only this client (may be repeated)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each side (7)")
    parser.add_argument("--seconds", type=int, default=3, help="length of a round (3)")
    parser.add_argument("--bound", type=float, default=10.0, help="percent of CPU it may cost (10)")
    return parser.parse_args()


def used(port: int) -> tuple[float, int]:
    """Return the CPU seconds of a proxy and the requests it has answered."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/pool", timeout=5) as answer:
        pool = json.load(answer)
    return pool["process"]["cpu_seconds"], pool["requests"]["answered"]


def one_round(port: int, seconds: int) -> float:
    """Return microseconds of CPU per request under wrk."""
    cpu, answered = used(port)
    url = f"http://127.0.0.1:{port}/work"
    subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url], check=True, stdout=subprocess.DEVNULL)
    cpu_after, answered_after = used(port)
    return (cpu_after - cpu) / (answered_after - answered) * 1e6


def measure(client: str, options: argparse.Namespace) -> float:
    """Return what the ledger costs with one client, in percent."""
    with ExitStack() as stack:
        upstream = stack.enter_context(mock(LOAD_CORE))
        ports = {
            switch: stack.enter_context(
                running(proxy(switch, client, CONNECTIONS, PROXY_LEDGER=ledger), upstream, None)
            )
            for switch, ledger in (("on", "true"), ("off", "false"))
        }
        found: dict[str, list[float]] = {"on": [], "off": []}
        for number in range(options.rounds):
            for side in ("on", "off") if number % 2 == 0 else ("off", "on"):
                found[side].append(one_round(ports[side], options.seconds))
            print(
                f"{client} round {number + 1}: on {found['on'][-1]:.0f} us, off {found['off'][-1]:.0f} us", flush=True
            )
    on, off = (statistics.median(found[side]) for side in ("on", "off"))
    cost = (on / off - 1) * 100
    print(f"{client}: medians on {on:.0f} us, off {off:.0f} us a request: the ledger costs {cost:.1f} %")
    return cost


def main() -> int:
    """Measure and return the exit code."""
    options = arguments()
    if shutil.which("wrk") is None:
        print("bench/ledger.py: needs wrk", file=sys.stderr)
        return 3
    costs = [measure(client, options) for client in options.client or CLIENTS]
    return int(max(costs) > options.bound)


if __name__ == "__main__":
    sys.exit(main())
