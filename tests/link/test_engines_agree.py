"""One table of scenarios through both engines: what a request costs does not depend on which.

Compared is what both of them promise: the total of a fresh connection with its first request (a relay cannot delay
connect() itself), a later request, one after a second's rest, and how long a body takes through a narrow pipe.
"""

import os
import statistics
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from support.netns_pair import NetnsPair, cannot

NEAR = 0.10
"""How far the median of an engine may be from that of another, as a share of the smaller."""

TIMES = 5
TRIES = 3


@dataclass(frozen=True)
class Scenario:
    """A network, the size of an answer and of what a request carries, and what of it is compared."""

    name: str
    network: dict[str, str]
    size: int = 100
    upload: int = 0
    compared: tuple[str, ...] = ("fresh", "warm")
    least_ms: dict[str, float] = field(default_factory=dict)
    """What it takes at least, with any engine."""


SCENARIOS = (
    Scenario("20 ms, 100 B", {"NET_RTT_MS": "20"}, least_ms={"fresh": 40, "warm": 20}),
    Scenario("60 ms, 100 B", {"NET_RTT_MS": "60"}, least_ms={"fresh": 120, "warm": 60}),
    Scenario("60 ms, 14 kB", {"NET_RTT_MS": "60"}, 14_000, least_ms={"fresh": 120, "warm": 60}),
    Scenario("60 ms, 30 kB", {"NET_RTT_MS": "60"}, 30_000, least_ms={"fresh": 180, "warm": 60}),
    Scenario(
        "60 ms, 100 kB",
        {"NET_RTT_MS": "60"},
        100_000,
        compared=("fresh", "warm", "rested"),
        least_ms={"fresh": 240, "warm": 60, "rested": 180},
    ),
    Scenario("200 ms, 30 kB", {"NET_RTT_MS": "200"}, 30_000, least_ms={"fresh": 600, "warm": 200}),
    Scenario(
        "20 ms, 8 Mbit/s down, 250 kB",
        {"NET_RTT_MS": "20", "NET_BW_DOWN_MBIT": "8"},
        250_000,
        compared=("warm",),  # the relay acknowledges a whole chunk, TCP every other segment
        least_ms={"warm": 270},
    ),
    Scenario(
        "20 ms, 8 Mbit/s up, 250 kB sent",
        {"NET_RTT_MS": "20", "NET_BW_UP_MBIT": "8"},
        upload=250_000,
        compared=("warm",),
        least_ms={"warm": 270},
    ),
)

Say = Callable[[str], None]


@pytest.fixture(scope="module")
def pairs() -> Iterator[dict[str, NetnsPair]]:
    """Give each engine two namespaces of its own."""
    reason = cannot()
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    made: dict[str, NetnsPair] = {}
    try:
        for name in ("relay", "tun"):
            made[name] = NetnsPair(len(made))
            made[name].upstream()
        yield made
    finally:
        for each in made.values():
            each.close()


@pytest.mark.parametrize("network", list(dict.fromkeys(tuple(each.network.items()) for each in SCENARIOS)), ids=str)
@pytest.mark.timing
def test_engines_agree(pairs: dict[str, NetnsPair], network: tuple[tuple[str, str], ...], say: Say) -> None:
    """Medians within a tenth of one another, and none below what the network makes it cost."""
    links: dict[str, subprocess.Popen[str]] = {}

    def start(name: str) -> None:
        links[name], said = pairs[name].link(NET_ENGINE=name, **dict(network))
        assert f"engine={name} " in said

    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(start, pairs))
        for scenario in (each for each in SCENARIOS if each.network == dict(network)):
            compare(scenario, pairs, say)
    finally:
        for name, process in links.items():
            pairs[name].stop(process)


def compare(scenario: Scenario, pairs: dict[str, NetnsPair], say: Say) -> None:
    """Measure a scenario through every engine, again if they differ: a shared machine loses time now and then."""
    for _ in range(TRIES):
        with ThreadPoolExecutor() as pool:
            runs = pool.map(lambda netns: measure(scenario, netns), pairs.values())
            found = dict(zip(pairs, runs, strict=True))
        medians = {name: {what: statistics.median(taken[what]) for what in taken} for name, taken in found.items()}
        apart = {
            what: max(each[what] for each in medians.values()) / min(each[what] for each in medians.values()) - 1
            for what in scenario.compared
        }
        if max(apart.values()) <= NEAR:
            break
    for what in scenario.compared:
        figures = ", ".join(f"{name} {1e3 * each[what]:.1f}" for name, each in medians.items())
        say(f"{scenario.name}: {what} {figures} ms, {apart[what]:.1%} apart")
        for name, taken in found.items():
            assert 1e3 * min(taken[what]) >= scenario.least_ms[what], f"{scenario.name}: {what} through {name}"
    assert max(apart.values()) <= NEAR, f"{scenario.name}: {apart}"


def measure(scenario: Scenario, netns: NetnsPair) -> dict[str, list[float]]:
    """Return the seconds of what is compared, each TIMES times."""
    sizes = (scenario.size, scenario.size)
    if any(name.startswith("NET_BW") for name in scenario.network):  # one at a time, for they would share the pipe
        rows = [netns.ask(*sizes, upload=scenario.upload) for _ in range(TIMES)]
    else:
        rows = netns.asks(TIMES, *sizes, at_once=TIMES)
    found = {"fresh": [row[0] + row[1] for row in rows], "warm": [row[2] for row in rows]}
    if "rested" in scenario.compared:
        found["rested"] = [row[2] for row in netns.asks(TIMES, *sizes, rest=1.0, at_once=TIMES)]
    return found
