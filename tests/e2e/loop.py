"""What must hold in every mode, as processes and in Compose: asserted here once."""

import json
from collections.abc import Callable
from typing import Any

from support.clone import Clone, Foreground

Say = Callable[[str], None]
"""Prints a measurement in pytest's summary: the fixture of that name."""


def assert_accounted_for(document: dict[str, Any]) -> None:
    """Every request was seen by Locust, the proxy and the upstream, and every connection too."""
    requests = document["whole"]["requests"]
    witnesses = document["witnesses"]
    assert requests > 0
    assert witnesses["locust_requests"] == requests
    outcomes = {"received": requests, "answered": requests, "failed": 0, "aborted": 0}
    tries = {"untried": 0, "tries": requests, "retried": 0, "sent": requests, "responded": requests}
    assert witnesses["proxy"] == outcomes | tries, document
    assert witnesses["upstream"] == {"started": requests, "completed": requests, "abandoned": 0}
    assert document["audit"]["agreed"], document["audit"]
    assert document["whole"]["failures"] == 0
    assert_adds_up(document)


def assert_adds_up(document: dict[str, Any]) -> None:
    """The account divides the users' time without remainder, in the mean, at p50 and at p99."""
    for figure in ("mean", "p50", "p99"):
        users_ms = document["latency_ms"][figure]
        places_ms = sum(place["ms"][figure] for place in document["attribution"]["places"])
        assert abs(places_ms - users_ms) <= max(0.02 * users_ms, 0.2), figure


def place_ms(document: dict[str, Any], place: str) -> dict[str, float]:
    """Return the time at one place of the account, by figure."""
    found: dict[str, float] = next(each["ms"] for each in document["attribution"]["places"] if each["place"] == place)
    return found


def counts(document: dict[str, Any]) -> str:
    """The three counts in a line, to be printed."""
    witnesses = document["witnesses"]
    return (
        f"Locust {witnesses['locust_requests']} = proxy {witnesses['proxy']['answered']}"
        f" = upstream {witnesses['upstream']['completed']}"
    )


def ten_and_forty(here: Clone, say: Say) -> None:
    """The first experiment, at a sixth of its rate: forty connections must be far from the CPU's limit."""
    common = ("--users", "40", "--time", "8s", "UPSTREAM_LATENCY=constant(600ms)")
    ten = here.run_json(*common, "--label", "ten", "PROXY_MAX_CONNECTIONS=10")
    forty = here.run_json(*common, "--label", "forty", "PROXY_MAX_CONNECTIONS=40")
    comparison = here.sandbox("compare", "ten", "forty").stdout
    say(f"ten: {ten['totals']['rps']:.1f} requests/s, {counts(ten)}; {ten['verdict']['because']}")
    say(f"forty: {forty['totals']['rps']:.1f} requests/s, {counts(forty)}; {forty['verdict']['because']}")
    say(comparison)
    for document in (ten, forty):
        assert_accounted_for(document)
    # ten connections of 600 ms each can carry 16.7 requests/s, and ten requests more where the measured seconds end
    assert ten["totals"]["rps"] <= 10 / 0.6 + 10 / 5
    # asked of the pool, not of the verdict: with httpx's own cost it is below nine tenths busy in the mean
    assert ten["pool"]["waiting_mean"] > 20
    ratio = forty["totals"]["rps"] / ten["totals"]["rps"]
    say(f"forty has {ratio:.2f} times the throughput of ten")
    assert ratio >= 3
    assert "PROXY_MAX_CONNECTIONS" in comparison
    difference = json.loads(here.sandbox("compare", "ten", "forty", "--json").stdout)
    names = [row["name"] for row in difference["settings"]]
    # the unset keep-alive limit follows the pool's: min(5, max), here five in both
    assert names == ["PROXY_MAX_CONNECTIONS"]


def one_run_at_a_time(here: Clone) -> None:
    """START is refused while `run` is on, and the other way round; what the form changed is gone in the next `run`."""
    with Foreground(here, "./sandbox", "run", "--time", "60s", "--users", "5", "--label", "cut") as running:
        here.until(lambda: here.in_flight() > 0, 60)
        refused = here.start(5, 5)["message"]
        assert refused.startswith("a run from the command line is on (pid "), refused
        before = here.answered()
        here.until(lambda: here.answered() >= before + 20, 30)
        assert running.stop() == 130, running.output
    (cut,) = (row for row in json.loads(here.sandbox("runs", "--json").stdout) if row["label"] == "cut")
    assert cut["status"] == "interrupted"

    settings = {"proxy_max_connections": "4", "upstream_latency": "constant(20ms)"}
    assert here.start(5, 5, **settings)["success"]
    here.until(lambda: here.in_flight() > 0, 20)
    other = here.sandbox("run", "--time", "1s", expect=3)
    assert "a run is on in the Locust UI" in other.stderr
    here.until(lambda: here.get(f"{here.ui}/lab/health")["state"] == "stopped", 30)
    differing = {one["variable"]: one["value"] for one in here.get(f"{here.ui}/lab/live.json")["differing"]}
    assert differing == {name.upper(): value for name, value in settings.items()}
    document = here.run_json("--users", "5", "--time", "1s")
    parts = document["settings"]["start"]
    in_force = parts["proxy"]["PROXY_MAX_CONNECTIONS"], parts["upstream"]["UPSTREAM_LATENCY"]
    assert in_force == (10, "constant(100ms)")
