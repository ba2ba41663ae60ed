"""The calling pattern itself: what it does for each request could be done once."""

from lab.account.places import Place
from lab.calling_pattern import ONE_CLIENT
from lab.conclusion import Advice, Finding
from lab.verdict.facts import TENTH, Facts
from lab.verdict.promises import one_client, promise

_OPENING = (Place.DNS, Place.CONNECT, Place.TLS, Place.PROXY_CPU, Place.EVENT_LOOP, Place.NOT_REPORTED)


def find(facts: Facts) -> Finding | None:
    pattern = facts.run.pattern
    if pattern is None or not pattern.client_per_request:
        return None
    share = facts.share(*_OPENING)
    if share < TENTH:
        return None
    change = one_client(facts)
    return facts.finding(
        "pattern",
        Place.CONNECT,
        share,
        f"the pattern {pattern.name} makes a client for each request: {facts.churn:.0%} of them opened a connection, "
        f"and {facts.part(*_OPENING)} went to opening, importing and closing; nothing bounds how many are open",
        Advice(
            words=f"One client for the whole app, made in its lifespan: LAB_PATTERN={ONE_CLIENT.name}. Its pool is "
            "bounded, and needs a connection for each request at a time.",
            set=change,
            promise=promise(facts, change, "latency_mean_ms", afresh=True),
        ),
    )
