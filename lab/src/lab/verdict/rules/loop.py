"""An event loop that did not get to the requests, although there was CPU left."""

from lab.account.places import Place
from lab.conclusion import Advice, Finding
from lab.verdict.facts import CPU_FULL, TENTH, Facts
from lab.verdict.promises import one_client, promise

BLOCKED_SHARE = 0.3
"""Share of the users' time before the proxy's first step above which something must have held the loop."""


def find(facts: Facts) -> Finding | None:
    share = facts.share(Place.EVENT_LOOP)
    blocks = facts.run.pattern is not None and facts.run.pattern.blocks_loop
    if share < BLOCKED_SHARE or facts.cpu_share("proxy") >= CPU_FULL or (facts.others_fill_the_machine and not blocks):
        return None
    if facts.ms(Place.EVENT_LOOP) < _in_turn_ms(facts) or facts.held_back("proxy") >= TENTH:
        return None
    change = one_client(facts) if blocks else {}
    return facts.finding(
        "loop",
        Place.EVENT_LOOP,
        share,
        f"requests waited {facts.part(Place.EVENT_LOOP)} until the proxy's event loop got to them, which used "
        f"{facts.cpu_share('proxy'):.2f} of a core",
        Advice(
            words="Something blocks the event loop: a synchronous call in an `async def`. Await it by an AsyncClient, "
            "or use `def`, which runs in a thread.",
            set=change,
            promise=promise(facts, change, afresh=True) if change else None,
        ),
    )


def _in_turn_ms(facts: Facts) -> float:
    """Return how long the last of all users' requests waits if they come at once, and the CPU works on one by one."""
    cores, rps = facts.run.cpu_cores.get("proxy") or 0.0, facts.run.totals.rps
    return facts.at_once / facts.workers * cores / rps * 1e3 if rps else 0.0
