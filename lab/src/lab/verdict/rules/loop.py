"""An event loop that did not get to the requests, although there was CPU left."""

from pydantic import JsonValue

from lab.account.places import Place
from lab.conclusion import Advice, Finding
from lab.verdict.facts import CPU_FULL, Facts
from lab.verdict.promises import promise

BLOCKED_SHARE = 0.3
"""Share of the users' time before the proxy's first step above which something must have held the loop."""


def find(facts: Facts) -> Finding | None:
    share = facts.share(Place.EVENT_LOOP)
    blocks = facts.run.pattern is not None and facts.run.pattern.blocks_loop
    if share < BLOCKED_SHARE or facts.cpu_share("proxy") >= CPU_FULL or (facts.others_fill_the_machine and not blocks):
        return None
    change: dict[str, JsonValue] = {"LAB_PATTERN": "async_lifespan_state"} if blocks else {}
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
            promise=promise(facts, change) if change else None,
        ),
    )
