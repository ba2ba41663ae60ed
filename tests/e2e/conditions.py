"""What the tests of network, faults and TLS share: Compose, one request by hand, and the network seen from within."""

import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from math import sqrt
from typing import Any

from support.clone import Clone

UPSTREAM = "upstream-mock"

TLS_LOAD = ("--users", "10", "--time", "1s", "UPSTREAM_LATENCY=constant(50ms)", "PROXY_MAX_CONNECTIONS=5")
"""Five connections for ten users, so that the pool is the limit and stays it."""

_CONNECT = """
import asyncio, time
async def one():
    began = time.perf_counter()
    try:
        async with asyncio.timeout({patience}):
            _, writer = await asyncio.open_connection({host!r}, 8001)
    except TimeoutError:
        return {patience}
    took = time.perf_counter() - began
    writer.close()
    return took
async def all():
    if {together}:
        return await asyncio.gather(*(one() for _ in range({count})))
    return [await one() for _ in range({count})]
print(*asyncio.run(all()))
"""

_CHANGE = """
import sys, urllib.request
request = urllib.request.Request("http://127.0.0.1:8092/-/config", data=sys.argv[1].encode(), method="PUT")
urllib.request.urlopen(request, timeout=5).read()
"""


@dataclass(frozen=True)
class Answer:
    """What a user gets of one request: status, the proxy's own error code or None, seconds."""

    status: int
    code: str | None
    seconds: float


def request(here: Clone, method: str = "GET") -> Answer:
    """Make one request through the proxy, on a connection of its own; the proxy's to the upstream may be a kept one."""
    asked = urllib.request.Request(
        f"{here.proxy}/work", data=None if method == "GET" else b"{}", method=method, headers={"connection": "close"}
    )
    began = time.monotonic()
    try:
        with urllib.request.urlopen(asked, timeout=15) as answer:
            answer.read()
            return Answer(answer.status, None, time.monotonic() - began)
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers["x-proxy-error"], time.monotonic() - began)


def compose(here: Clone, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run docker compose in the clone; further options are those of Clone.command, upper case ones variables."""
    return here.command("docker", "compose", *words, timeout=600, **options)


def bring_up(here: Clone, **variables: str) -> None:
    """Bring the services to these settings, as a user does who has them in .env."""
    compose(here, "up", "-d", "--wait", **variables)


def connect_seconds(here: Clone, count: int, *, together: bool = False, patience: float = 5.0) -> list[float]:
    """Seconds that the proxy's container needs for a connection to the upstream, sorted; `patience` if more."""
    code = _CONNECT.format(host=UPSTREAM, count=count, together=together, patience=patience)
    return sorted(map(float, compose(here, "exec", "-T", "proxy", "python", "-c", code).stdout.split()))


def change_network(here: Clone, conditions: str) -> None:
    """Change the network while it runs: PUT on the link's control port, which only the containers reach."""
    compose(here, "exec", "-T", "link", "python", "-c", _CHANGE, conditions)


def bounds(trials: int, chance: float, deviations: float = 4.0) -> tuple[int, int]:
    """Counts between which a binomial one lies but once in 15 000 times (four standard deviations)."""
    middle, reach = trials * chance, deviations * sqrt(trials * chance * (1 - chance))
    return max(0, round(middle - reach)), round(middle + reach)


def failures_between(document: dict[str, Any], first: float, last: float) -> tuple[int, int]:
    """Failures of a run in those seconds of its series, and outside of them; a point counts what came before it."""
    inside = sum(point["failures"] for point in document["series"] if first < point["t_seconds"] <= last)
    return inside, document["whole"]["failures"] - inside


def assert_pool_limited(document: dict[str, Any]) -> None:
    """Half of the ten users wait for a connection, and no condition or fault is blamed.

    The verdict may be none: with the client's own cost five connections are busy for nine tenths of the time or a
    little less. On a busy machine it may be that the mock or the link was late.
    """
    verdict = document["verdict"]
    assert document["pool"]["waiting_mean"] > 3, document["pool"]
    assert verdict["bottleneck"] in ("pool", "none") or "was late" in verdict["because"], verdict
