"""Predictions beside real runs: 16 closed loads, and an open one, M/M/c.

    .venv/bin/python bench/prediction.py [--seconds 30] [--only 3 ...] [--open-seconds 120]

Each closed load is one `./sandbox run` as processes on free ports, with pyreqwest and an upstream of 200 ms and more.
Its document has the forecast beside the measurement: throughput must be within 10 %, the mean wait for a connection
within 25 % or 2 ms. The open load is Poisson arrivals at a proxy and a mock of their own; the mean wait by Erlang's C
formula must be within the 95 % interval of what was measured. Takes 12 minutes; exit code 1 if a figure was missed. On
a busy machine the proxy waits for its core, which no forecast knows: where other work took a third of a core a run that
missed is made once more.
"""

import argparse
import asyncio
import random
import re
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
from sandbox_runs import made
from sides import LOAD_CORE, mock, proxy, running

from lab.prediction.open_queue import OpenQueue
from lab.prediction.outcome import THROUGHPUT_SHARE, WAIT_MS, WAIT_SHARE
from lab.run_document import RunDocument

T_9 = 2.262
"""Student's t with 9 degrees of freedom, two-sided 95 %."""

BATCHES = 10
OTHER_CORES = 1 / 3
POOL_WAIT = re.compile(r"pool_wait;dur=([0-9.]+)")


@dataclass(frozen=True)
class Setting:
    """One run: a pool, users, an upstream and a round trip."""

    connections: int
    users: int
    latency: str
    rtt_ms: int

    def __str__(self) -> str:
        return f"{self.users} users, {self.connections} connections, {self.latency}, RTT {self.rtt_ms} ms"


SETTINGS = [
    Setting(connections, users, latency, rtt_ms)
    for connections, users in ((5, 10), (10, 60), (50, 60), (100, 200))
    for latency in ("constant(200ms)", "exponential(250ms)")
    for rtt_ms in (0, 40)
]

QUEUE = OpenQueue(arrivals_per_second=40, service_seconds=0.2, count=10)


def main() -> int:
    """Measure and print; return 1 if a figure was missed."""
    arguments = _parse()
    missed = 0
    for number in arguments.only or range(1, len(SETTINGS) + 1):
        missed += not closed(number, SETTINGS[number - 1], arguments.seconds)
    if arguments.open_seconds:
        missed += not opened(arguments.open_seconds)
    print(f"{missed} missed")
    return 1 if missed else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=30, help="length of each run (default 30)")
    parser.add_argument("--only", type=int, nargs="*", help="only these settings, from 1", choices=range(1, 17))
    parser.add_argument("--open-seconds", type=int, default=120, help="length of the open load; 0: none (default 120)")
    return parser.parse_args()


def closed(number: int, setting: Setting, seconds: int) -> bool:
    """Make a run and print its forecast and figures; return whether both are near."""
    made = run(setting, seconds)
    if held(number, setting, made):
        return True
    others = other_cores(made)
    if others < OTHER_CORES:
        return False
    print(f"   again  other work took {others:.1f} cores", flush=True)
    return held(number, setting, run(setting, seconds))


def other_cores(document: RunDocument) -> float:
    """Return how many cores were busy with other work than the sandbox's."""
    host = document.host
    busy = host.cores * (host.busy_share or 0.0) if host is not None else 0.0
    return busy - sum(cores or 0.0 for cores in document.cpu_cores.values())


def held(number: int, setting: Setting, document: RunDocument) -> bool:
    """Print a run's forecast and figures; return whether both are near."""
    prediction = document.prediction
    assert prediction is not None
    forecast, measured = prediction.forecast, prediction.measured
    assert forecast is not None
    assert measured is not None
    assert measured.throughput_rps is not None
    assert measured.pool_wait_mean_ms is not None
    off = forecast.throughput_rps / measured.throughput_rps - 1
    late = forecast.pool_wait_mean_ms - measured.pool_wait_mean_ms
    near = abs(off) <= THROUGHPUT_SHARE and abs(late) <= max(WAIT_SHARE * measured.pool_wait_mean_ms, WAIT_MS)
    print(
        f"{number:2} {'ok    ' if near else 'MISSED'} {setting!s:62} "
        f"{forecast.throughput_rps:6.1f} / {measured.throughput_rps:6.1f} requests/s ({off:+.1%}), wait "
        f"{forecast.pool_wait_mean_ms:6.1f} / {measured.pool_wait_mean_ms:6.1f} ms, p99 "
        f"{forecast.latency_p99_ms:5.0f} / {measured.latency_p99_ms or 0:5.0f} ms"
        + (f"; {prediction.broken.words}" if prediction.broken else ""),
        flush=True,
    )
    return near


def run(setting: Setting, seconds: int) -> RunDocument:
    """Make one run of the sandbox and return its document."""
    variables = {
        "PROXY_CLIENT": "pyreqwest",
        "PROXY_MAX_CONNECTIONS": str(setting.connections),
        "PROXY_MAX_KEEPALIVE_CONNECTIONS": str(setting.connections),
        "PROXY_POOL_TIMEOUT_SECONDS": "60",
        "PROXY_READ_TIMEOUT_SECONDS": "20",
        "UPSTREAM_LATENCY": setting.latency,
        "NET_RTT_MS": str(setting.rtt_ms),
    }
    load = ["--users", str(setting.users), "--time", f"{seconds}s"]
    return made([*load, *(f"{name}={value}" for name, value in variables.items())])


def opened(seconds: int) -> bool:
    """Send Poisson arrivals for so long; return whether the mean wait is what the formula gives."""
    side = proxy("open", "pyreqwest", QUEUE.count)
    latency = f"exponential({QUEUE.service_seconds * 1e3:g}ms)"
    with mock(LOAD_CORE, UPSTREAM_LATENCY=latency) as upstream, running(side, upstream, None) as port:
        waits = asyncio.run(send(f"http://127.0.0.1:{port}/work", arrivals(seconds)))
    size = len(waits) // BATCHES
    means = [statistics.fmean(waits[size * batch : size * (batch + 1)]) for batch in range(BATCHES)]
    mean, half = statistics.fmean(means), T_9 * statistics.stdev(means) / BATCHES**0.5
    expected = QUEUE.mean_wait_seconds * 1e3
    near = bool(abs(mean - expected) <= half)
    print(
        f"   {'ok    ' if near else 'MISSED'} M/M/{QUEUE.count}, {QUEUE.arrivals_per_second:g} arrivals/s: wait "
        f"{expected:.1f} / {mean:.1f} ms, 95 % interval {mean - half:.1f} to {mean + half:.1f} ms, {len(waits)} sent"
    )
    return near


def arrivals(seconds: int) -> list[float]:
    drawn, at = random.Random(1), 0.0
    times = []
    while (at := at + drawn.expovariate(QUEUE.arrivals_per_second)) < seconds:
        times.append(at)
    return times


async def send(url: str, times: Sequence[float]) -> list[float]:
    """Send a request at each time, whatever became of those before; return their waits for a connection in ms."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        began = asyncio.get_running_loop().time()

        async def one(at: float) -> float:
            await asyncio.sleep(began + at - asyncio.get_running_loop().time())
            async with session.get(url) as answer:
                await answer.read()
                if answer.status != 200:
                    raise SystemExit(f"{url} answered {answer.status}")
                return sum(float(wait) for wait in POOL_WAIT.findall(", ".join(answer.headers.getall("server-timing"))))

        return await asyncio.gather(*(one(at) for at in times))


if __name__ == "__main__":
    sys.exit(main())
