"""`def` endpoints that waited for a thread: anyio's limiter has 40 for all of them."""

from lab.account.places import Place
from lab.conclusion import Advice, Finding
from lab.verdict.facts import TENTH, Facts
from lab.verdict.limits import Limit, next_limit, weight
from lab.verdict.promises import promise


def find(facts: Facts) -> Finding | None:
    share, tokens = weight(facts, Place.THREAD_WAIT), int(facts.number("PROXY_THREAD_TOKENS", 40))
    if share < TENTH:
        return None
    because = (
        f"requests waited {facts.part(Place.THREAD_WAIT)} for one of {tokens} threads (PROXY_THREAD_TOKENS), while "
        f"{(facts.run.pool.active_mean or 0) if facts.run.pool else 0:.1f} connections were busy"
    )
    return facts.finding("threads", Place.THREAD_WAIT, share, because, _advice(facts, tokens))


def _advice(facts: Facts, tokens: int) -> Advice:
    change = Limit("PROXY_THREAD_TOKENS", tokens, facts.share(Place.THREAD_WAIT)).wider(facts)
    if not change:
        return Advice(words=f"More threads than {tokens} bring hardly anything: {next_limit(facts)} is as near.")
    words = f"Set {facts.change_words(change)}, or use `async def` with an AsyncClient, which needs no thread."
    return Advice(words=words, set=change, promise=promise(facts, change))
