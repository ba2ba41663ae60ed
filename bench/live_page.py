"""What the live page costs: CPU of the load generator with the page closed and open, and the page's memory.

    python bench/live_page.py [SECONDS] [USERS] [VARIABLE=value ...]

Services, Locust and chromium run on this machine; USERS at 100 ms each make ten times as many requests a second. The
cores of the load generator hold its load, too: the page costs the difference. Held: 0.05 cores, 200 MB of Locust, and a
heap that does not grow by more than half once the page has all its points (ten minutes).
"""

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from browser import Browser  # noqa: E402
from support.real_sandbox import RealSandbox, real_sandbox  # noqa: E402

DRAWN = "!!document.querySelector('#live-pool .js-plotly-plot .scatterlayer path')"
COMPARED_SECONDS = 60
MOST_CORES, MOST_MB, MOST_GROWTH = 0.05, 200.0, 1.5


def process_of(box: RealSandbox) -> int:
    """Return the process that has this sandbox's web UI."""
    wanted = f"LOCUST_WEB_PORT={box.url.rpartition(':')[2]}".encode()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            found = wanted in (path / "environ").read_bytes() and b"loadtest" in (path / "cmdline").read_bytes()
        except OSError:
            continue
        if found:
            return int(path.name)
    raise LookupError("no Locust with this port")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def cores(pid: int, seconds: float) -> float:
    """Return the mean cores that a process uses meanwhile."""
    began, before = time.monotonic(), cpu_seconds(pid)
    time.sleep(seconds)
    return (cpu_seconds(pid) - before) / (time.monotonic() - began)


def heap_mb(browser: Browser) -> float:
    """Return the page's heap after a collection."""
    browser.command("HeapProfiler.collectGarbage")
    metrics = browser.command("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "JSHeapUsedSize") / 1e6)


def main(seconds: int, users: int, variables: dict[str, str]) -> int:
    with tempfile.TemporaryDirectory() as runs, real_sandbox(Path(runs), **variables) as box, Browser() as browser:
        pid = process_of(box)
        length = seconds + 2 * COMPARED_SECONDS + 30
        box.start(user_count=users, spawn_rate=users, run_time=f"{length}s")
        time.sleep(5)
        closed = cores(pid, COMPARED_SECONDS)
        browser.open(f"{box.url}/lab/pool")
        browser.wait_for(DRAWN)
        browser.command("Performance.enable")
        opened = cores(pid, COMPARED_SECONDS)
        print(f"Locust: {closed:.3f} cores with the page closed, {opened:.3f} with it open")
        heaps = [heap_mb(browser)]
        for _ in range(max(seconds // 30, 1)):
            time.sleep(30)
            heaps.append(heap_mb(browser))
            print(f"page: {heaps[-1]:.1f} MB of heap; Locust: {resident_mb(pid):.0f} MB", flush=True)
        growth = heaps[-1] / heaps[len(heaps) // 2]
        held = opened - closed <= MOST_CORES and resident_mb(pid) <= MOST_MB and growth <= MOST_GROWTH
        print(f"the page costs {opened - closed:.3f} cores; its heap is {growth:.2f} times that of half-time")
        return 0 if held and not browser.errors else 1


if __name__ == "__main__":
    plain = [one for one in sys.argv[1:] if "=" not in one]
    given = dict(one.split("=", 1) for one in sys.argv[1:] if "=" in one)
    sys.exit(main(int(plain[0]) if plain else 300, int(plain[1]) if plain[1:] else 20, given))
