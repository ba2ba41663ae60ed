"""The fewest connections that hold an objective: what `./sandbox sweep` finds, beside a simulation's answer.

    .venv/bin/python bench/objective.py [--mode processes|docker] [--within-seconds 240]

60 users, an upstream of lognormal(80ms, p99=600ms), p99 below 1 s. The sweep is one command of 4 minutes at most. The
simulation (tests/support/simulation.py) has the same users, pool and service times in virtual time, so long that its
p99 is known to 2 %. Exit code 1 if the answers are more than 2 connections apart, or the sweep took longer.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from sandbox_runs import ports

from lab.prediction.calibration import COSTS, GENERATOR_CPU_MS
from lab.prediction.workload import Workload
from lab.sweep.report import SweepReport

_ROOT = Path(__file__).parents[1]
sys.path.append(str(_ROOT / "tests"))

from support.simulation import lognormal, simulate  # noqa: E402

USERS, LIMIT_MS, CLIENT = 60, 1000.0, "pyreqwest"
ROOM = 2
VIRTUAL_SECONDS = 200.0
SEEDS = (1, 2)


def main() -> int:
    """Print both answers; return 1 if they are too far apart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=("processes", "docker"), default="processes")
    parser.add_argument("--within-seconds", type=float, default=240.0, help="what the sweep may take (default 240)")
    arguments = parser.parse_args()
    simulated = fewest()
    began = time.monotonic()
    report = swept(arguments.mode, arguments.within_seconds)
    took = time.monotonic() - began
    found = int(report.set["PROXY_MAX_CONNECTIONS"]) if report.set else None
    print(*report.words, sep="\n")
    print(f"sweep: {found} connections in {took:.0f} s; simulation: {simulated}")
    near = found is not None and abs(found - simulated) <= ROOM and took <= arguments.within_seconds
    return 0 if near else 1


def fewest() -> int:
    """Return the fewest connections with which the simulated p99 is below the limit."""
    low, high = 1, USERS
    while low < high:
        middle = (low + high) // 2
        p99_ms = simulated_p99_ms(middle)
        print(f"simulation: {middle} connections, p99 {p99_ms:.0f} ms", flush=True)
        low, high = (low, middle) if p99_ms < LIMIT_MS else (middle + 1, high)
    return low


def simulated_p99_ms(connections: int) -> float:
    work = Workload(
        users=USERS,
        connections=connections,
        work=lognormal(0.08, p99=0.6),
        cpu_seconds=COSTS[CLIENT].at(USERS) / 1e3,
        generator_cpu_seconds=GENERATOR_CPU_MS / 1e3,
    )
    return sum(simulate(work, seconds=VIRTUAL_SECONDS, seed=seed).took_p99_ms for seed in SEEDS) / len(SEEDS)


def swept(mode: str, within_seconds: float) -> SweepReport:
    """Let the sandbox search, as a user would."""
    words = [
        f"--{mode}",
        f"PROXY_MAX_CONNECTIONS=1..{USERS}",
        f"PROXY_CLIENT={CLIENT}",
        "UPSTREAM_LATENCY=lognormal(80ms, p99=600ms)",
        *("--users", str(USERS), "--objective", f"p99 < {LIMIT_MS:g}ms", "--within", f"{within_seconds:g}s", "--json"),
    ]
    command = [str(_ROOT / "sandbox"), "sweep", *words]
    done = subprocess.run(command, env={**os.environ, **ports()}, stdout=subprocess.PIPE, text=True, check=False)
    if not done.stdout.strip():
        raise SystemExit(f"the sweep ended with {done.returncode}")
    return SweepReport.model_validate_json(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
