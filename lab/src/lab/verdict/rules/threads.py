"""`def` endpoints that waited for a thread: anyio's limiter has 40 for all of them."""

from lab.account.places import Place
from lab.conclusion import Advice, Finding
from lab.verdict.facts import TENTH, Facts
from lab.verdict.promises import enough, promise


def find(facts: Facts) -> Finding | None:
    share, tokens = facts.share(Place.THREAD_WAIT), int(facts.number("PROXY_THREAD_TOKENS", 40))
    if share < TENTH:
        return None
    wanted = enough(facts, "PROXY_THREAD_TOKENS", tokens, share)
    return facts.finding(
        "threads",
        Place.THREAD_WAIT,
        share,
        f"requests waited {facts.part(Place.THREAD_WAIT)} for one of {tokens} threads (PROXY_THREAD_TOKENS), while "
        f"{(facts.run.pool.active_mean or 0) if facts.run.pool else 0:.1f} connections were busy",
        Advice(
            words=f"More threads, PROXY_THREAD_TOKENS={wanted} (now {tokens}), or `async def` with an AsyncClient, "
            "which needs none.",
            set={"PROXY_THREAD_TOKENS": wanted},
            promise=promise(facts, {"PROXY_THREAD_TOKENS": wanted}),
        ),
    )
