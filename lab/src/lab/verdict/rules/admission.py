"""Requests that the proxy did not admit yet: PROXY_MAX_IN_FLIGHT, smaller than its pool or than the load."""

from lab.account.places import Place
from lab.conclusion import Advice, Finding
from lab.verdict.facts import TENTH, Facts
from lab.verdict.limits import Limit, next_limit, weight
from lab.verdict.promises import promise


def find(facts: Facts) -> Finding | None:
    share, limit = weight(facts, Place.ADMISSION), int(facts.number("PROXY_MAX_IN_FLIGHT"))
    if share < TENTH or not limit:
        return None
    waited = facts.part(Place.ADMISSION)
    because = f"requests waited {waited} until the proxy admitted them: PROXY_MAX_IN_FLIGHT={limit}"
    return facts.finding("admission", Place.ADMISSION, share, because, _advice(facts, limit))


def _advice(facts: Facts, limit: int) -> Advice:
    change = Limit("PROXY_MAX_IN_FLIGHT", limit, facts.share(Place.ADMISSION)).wider(facts)
    if not change:
        return Advice(words=f"Admitting more than {limit} brings hardly anything: {next_limit(facts)} is as near.")
    words = f"Let more of them in: {facts.change_words(change)}."
    return Advice(words=words, set=change, promise=promise(facts, change))
