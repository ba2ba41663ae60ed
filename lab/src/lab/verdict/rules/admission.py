"""Requests that the proxy did not admit yet: PROXY_MAX_IN_FLIGHT, smaller than its pool or than the load."""

from lab.account.places import Place
from lab.conclusion import Advice, Finding
from lab.verdict.facts import TENTH, Facts
from lab.verdict.promises import enough, promise


def find(facts: Facts) -> Finding | None:
    share, limit = facts.share(Place.ADMISSION), int(facts.number("PROXY_MAX_IN_FLIGHT"))
    if share < TENTH or not limit:
        return None
    wanted = enough(facts, "PROXY_MAX_IN_FLIGHT", limit, share)
    return facts.finding(
        "admission",
        Place.ADMISSION,
        share,
        f"requests waited {facts.part(Place.ADMISSION)} until the proxy admitted them: PROXY_MAX_IN_FLIGHT={limit}",
        Advice(
            words=f"Let more of them in: PROXY_MAX_IN_FLIGHT={wanted} (now {limit}).",
            set={"PROXY_MAX_IN_FLIGHT": wanted},
            promise=promise(facts, {"PROXY_MAX_IN_FLIGHT": wanted}),
        ),
    )
