"""Requests per second through the proxy by each client library, against the snippet, nginx and an older checkout.

The sides are interleaved: every round measures each of them, so all see the same machine; the ledger on and off in
turns, several times a round, for they differ by less than two loads of the same side. Shown are medians, and ratios
turn by turn; on shared cores read the ratios. The proxy has one core, wrk and the upstream have the other; where the
mock is the one that is measured, it has the proxy's. Needs wrk, and a .venv made by ./sandbox; without nginx its side
is left out and said. Every load is bounded, and what was started is ended.

    .venv/bin/python bench/throughput.py --only snippet --only httpx
    .venv/bin/python bench/throughput.py --against ../older-checkout --only httpcore --only old-httpx
"""

import argparse
import importlib.util
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sides import LOAD_CORE, SIDES, mock, running

LEDGER_TURNS = 3
"""How often the ledger on and off are measured in a round."""

PLAN = [
    ("snippet", 64),
    ("snippet-sniffio", 64),
    *[("httpx", 64), ("httpx-no-ledger", 64)] * LEDGER_TURNS,
    *((name, 64) for name in ("httpx-sniffio", "httpx-tuned", "httpx2", "httpx2-tuned")),
    *((name, 64) for name in ("httpcore", "old-httpx", "httpcore-untuned")),
    *[("httpcore-gate", 64), ("httpcore-gate-no-ledger", 64)] * LEDGER_TURNS,
    *((name, 64) for name in ("aiohttp-tuned", "old-aiohttp", "aiohttp", "old-aiohttp-untuned")),
    *((name, 64) for name in ("pyreqwest-tuned", "old-pyreqwest", "pyreqwest", "old-pyreqwest-untuned")),
    *[("pyreqwest", 64), ("pyreqwest-no-ledger", 64)] * LEDGER_TURNS,
    ("pyreqwest", 8),
    ("pyreqwest", 256),
    ("nginx", 64),
    ("mock", 64),
    ("mock-no-log", 64),
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
    Check("httpx / the snippet", ("httpx", 64), ("snippet", 64), 1.0),
    Check("httpx / the snippet, both with sniffio", ("httpx-sniffio", 64), ("snippet-sniffio", 64), 1.0),
    Check("the snippet: with sniffio / without", ("snippet-sniffio", 64), ("snippet", 64)),
    Check("httpx: with sniffio / without", ("httpx-sniffio", 64), ("httpx", 64)),
    Check("httpx: tuned / as it is", ("httpx-tuned", 64), ("httpx", 64)),
    Check("httpx2: tuned / as it is", ("httpx2-tuned", 64), ("httpx2", 64)),
    Check("httpcore: tuned / untuned", ("httpcore", 64), ("httpcore-untuned", 64)),
    Check("aiohttp: tuned / as it is", ("aiohttp-tuned", 64), ("aiohttp", 64)),
    Check("pyreqwest: tuned / as it is", ("pyreqwest-tuned", 64), ("pyreqwest", 64)),
    Check("httpcore / what the old tree calls httpx", ("httpcore", 64), ("old-httpx", 64), 0.95),
    Check("aiohttp / the old tree's, both tuned", ("aiohttp-tuned", 64), ("old-aiohttp", 64), 0.95),
    Check("aiohttp / the old tree's, both untuned", ("aiohttp", 64), ("old-aiohttp-untuned", 64), 0.95),
    Check("pyreqwest / the old tree's, both tuned", ("pyreqwest-tuned", 64), ("old-pyreqwest", 64), 0.95),
    Check("pyreqwest / the old tree's, both untuned", ("pyreqwest", 64), ("old-pyreqwest-untuned", 64), 0.95),
    Check("pyreqwest / the snippet", ("pyreqwest", 64), ("snippet", 64), 12),
    Check("pyreqwest / nginx", ("pyreqwest", 64), ("nginx", 64), 0.1),
    Check("pyreqwest at 256 / at 8", ("pyreqwest", 256), ("pyreqwest", 8), 0.8),
    Check("httpx: ledger on / off", ("httpx", 64), ("httpx-no-ledger", 64), 0.9),
    # with the gate: without it httpcore's pool wanders between two speeds, a third apart, from load to load
    Check("httpcore: ledger on / off", ("httpcore-gate", 64), ("httpcore-gate-no-ledger", 64), 0.9),
    Check("pyreqwest: ledger on / off", ("pyreqwest", 64), ("pyreqwest-no-ledger", 64), 0.9),
    Check("httpx, 200 waiting for 20: gate / client", ("httpx-20-gate", 220), ("httpx-20", 220)),
    Check("the mock alone / httpcore through the proxy", ("mock", 64), ("httpcore", 64), 15),
    Check("the mock: log on / off", ("mock", 64), ("mock-no-log", 64), 0.9),
]

WARM_UP_SECONDS = 6
"""Longer than httpx's keepalive_expiry of 5 s: the burst at the start opens a connection for every request, and with
all of them kept httpx is three times slower than with the dozen that an upstream without delay needs."""

LONGEST_OVER_MEDIAN = 20
"""Fairness: at 256 connections no request may take more than so many times the median."""

EXIT_USAGE, EXIT_UNAVAILABLE = 2, 3


@dataclass(frozen=True)
class Measured:
    """What wrk measured of one load."""

    rps: float
    p50_ms: float
    max_ms: float
    errors: int


Found = Mapping[tuple[str, int], list[Measured]]


def main() -> int:
    """Measure and print; 1 if a bound was missed, 3 if something is missing here."""
    arguments = parse()
    if (missing := unavailable(arguments.against)) is not None:
        code, sentence = missing
        print(f"bench/throughput.py: {sentence}", file=sys.stderr)
        return code
    plan = planned(arguments)
    found: dict[tuple[str, int], list[Measured]] = {entry: [] for entry in plan}
    with mock(LOAD_CORE) as upstream:
        for number in range(1, arguments.rounds + 1):
            for name, load in plan:
                with running(SIDES[name], upstream, arguments.against) as port:
                    measured = wrk(port, load, arguments.seconds)
                found[name, load].append(measured)
                print(f"round {number}: {name:24} c={load:<4} {measured.rps:9.0f} requests/s", flush=True)
    show(found)
    return 1 if missed(found, arguments.only is None) else 0


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default 3)")
    parser.add_argument("--seconds", type=float, default=4, help="length of each load (default 4)")
    parser.add_argument("--only", action="append", choices=sorted(SIDES), help="only this side; may be repeated")
    parser.add_argument("--against", type=Path, metavar="DIR", help="an older checkout, for the sides named old-...")
    return parser.parse_args()


def unavailable(against: Path | None) -> tuple[int, str] | None:
    """Return the exit code and the sentence for what is missing here, None if nothing is."""
    if against is not None and not (against / "proxy" / "src" / "proxy").is_dir():
        return EXIT_USAGE, f"--against '{against}': no proxy/src/proxy there; allowed: a checkout of this repository"
    if shutil.which("wrk") is None:
        return EXIT_UNAVAILABLE, "wrk is not installed (Debian: apt install wrk)"
    if importlib.util.find_spec("upstream_mock") is None:
        return EXIT_UNAVAILABLE, "run it on a .venv that ./sandbox has made: .venv/bin/python bench/throughput.py"
    return None


def planned(arguments: argparse.Namespace) -> list[tuple[str, int]]:
    """Return what is to be measured, without what was not asked for or cannot run here."""
    plan = [(name, load) for name, load in PLAN if not arguments.only or name in arguments.only]
    if arguments.against is None:
        plan = [entry for entry in plan if not SIDES[entry[0]].old]
    if shutil.which("nginx") is None:
        plan = [entry for entry in plan if entry[0] != "nginx"]
        print("nginx is not installed: its side is left out")
    return plan


def show(found: Found) -> None:
    """Print the medians."""
    print(f"\n{'side':24} {'c':>4} {'requests/s':>11} {'p50 ms':>8} {'max ms':>8} {'errors':>7}")
    for (name, load), rounds in found.items():
        rps, p50, longest = (
            statistics.median(getattr(one, key) for one in rounds) for key in ("rps", "p50_ms", "max_ms")
        )
        errors = sum(one.errors for one in rounds)
        print(f"{name:24} {load:>4} {rps:>11.0f} {p50:>8.2f} {longest:>8.1f} {errors:>7}")


def missed(found: Found, everything: bool) -> bool:
    """Print the checks and return whether one was missed; `everything` names those that were not measured, too."""
    failed = False
    print()
    for check in CHECKS:
        if not found.get(check.over) or not found.get(check.under):
            if everything:
                print(f"not measured  {check.text}")
            continue
        ratio = median_ratio(found[check.over], found[check.under])
        verdict = "" if check.at_least is None else ("ok" if ratio >= check.at_least else "MISSED")
        failed |= verdict == "MISSED"
        bound = "shown only" if check.at_least is None else f"at least {check.at_least:g}"
        print(f"{verdict or '-':12}  {check.text}: {ratio:.2f} ({bound})")
    fair = found.get(("pyreqwest", 256))
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
        raise SystemExit(f"wrk printed nothing that can be read:\n{text}")
    return Measured(float(rate[1]), milliseconds(half[1]), milliseconds(latency[1]), sockets + statuses)


def milliseconds(text: str) -> float:
    """Read a duration of wrk's: 12.34us, 1.20ms, 3.00s."""
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    assert match, text
    return float(match[1]) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}[match[2]]


if __name__ == "__main__":
    sys.exit(main())
