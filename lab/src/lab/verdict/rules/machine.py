"""All cores of the machine taken, by the sandbox's own processes."""

from pydantic import JsonValue

from lab.account.places import Place
from lab.conclusion import Advice, Finding
from lab.verdict.facts import QUEUES, Facts
from lab.verdict.headroom import headrooms
from lab.verdict.promises import promise

MACHINE_FULL = 0.93

_SLOWED = (Place.EVENT_LOOP, Place.PROXY_CPU, Place.NOT_REPORTED, Place.CALLER_SIDE)


def find(facts: Facts) -> Finding | None:
    host = facts.run.host
    busy = next((1 / each.times for each in headrooms(facts) if each.resource == "machine"), 0.0)
    if host is None or busy < MACHINE_FULL:
        return None
    share = facts.share(*_SLOWED, *QUEUES)
    parts = ", ".join(f"{name} {cores:.2f}" for name, cores in facts.run.cpu_cores.items() if cores)
    lighter = facts.run.pattern is None and facts.setting("PROXY_CLIENT") != "pyreqwest"
    change: dict[str, JsonValue] = {"PROXY_CLIENT": "pyreqwest"} if lighter else {}
    return facts.finding(
        "machine",
        Place.PROXY_CPU,
        share,
        f"all {host.cores} cores of the machine were busy ({busy:.0%}): {parts}",
        Advice(
            words="No setting of the proxy gives more: send less, spend less on each request (PROXY_CLIENT=pyreqwest), "
            "or give it more cores.",
            set=change,
            promise=promise(facts, change) if change else None,
        ),
    ).model_copy(update={"owner": "machine"})
