"""All cores of the machine taken, by the sandbox's own processes or by others."""

from pydantic import JsonValue

from lab.account.places import Place
from lab.conclusion import Advice, Finding
from lab.verdict.facts import MACHINE_FULL, QUEUES, Facts
from lab.verdict.headroom import headrooms
from lab.verdict.promises import promise

_SLOWED = (Place.EVENT_LOOP, Place.PROXY_CPU, Place.NOT_REPORTED, Place.CALLER_SIDE)


MOST = 0.5
"""Share of the users' time from which on other work is the verdict; below it is a caveat."""


def find(facts: Facts) -> Finding | None:
    return _others(facts) if facts.others_fill_the_machine else _own(facts)


def _others(facts: Facts) -> Finding | None:
    share, host = facts.share(Place.EVENT_LOOP), facts.run.host
    if host is None or share < MOST or (facts.run.pattern is not None and facts.run.pattern.blocks_loop):
        return None
    because = (
        f"all {host.cores} cores were busy, most of them with other work than the sandbox's: requests waited "
        f"{facts.part(Place.EVENT_LOOP)} until the proxy got one"
    )
    words = "Make room: end the other work, or run it elsewhere. These figures are the machine's, not the pool's."
    found = facts.finding("machine", Place.EVENT_LOOP, share, because, Advice(words=words))
    return found.model_copy(update={"owner": "machine"})


def _own(facts: Facts) -> Finding | None:
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
