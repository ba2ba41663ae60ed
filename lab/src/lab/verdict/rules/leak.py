"""Connections that no request uses and that are not given back: held by requests that are over, or lost."""

from pydantic import JsonValue

from lab.account.places import Owner
from lab.conclusion import Advice, Finding
from lab.pool_figures import Pool
from lab.verdict.facts import Facts
from lab.verdict.promises import promise
from lab.verdict.timeouts import pool_beyond_total

_CLOSE_THEM = Advice(
    words="Close every response, also where an error or an early return leaves it: `async with client.stream(...)`, or "
    "aclose in a finally. Only a restart brings these connections back: the next ./sandbox run begins with one."
)


def find(facts: Facts) -> Finding | None:
    pool = facts.run.pool
    if pool is None or not pool.leaked + pool.lost:
        return None
    if pool.leaked >= pool.lost:
        because = "are held by requests that are over: their responses were never closed"
        return _finding(pool, pool.leaked, "proxy", because, _CLOSE_THEM)
    library = facts.setting("PROXY_CLIENT")
    because = f"are taken for {library}, though no request holds them: it lost them when requests were cancelled"
    return _finding(pool, pool.lost, "client_library", because, _not_cancelled(facts))


def _finding(pool: Pool, count: int, owner: Owner, because: str, advice: Advice) -> Finding:
    words = f"{count} of {pool.max} connections {because}"
    return Finding(bottleneck="leak", owner=owner, share=round(count / pool.max, 4), because=words, advice=advice)


def _not_cancelled(facts: Facts) -> Advice:
    """Advise that no request is cancelled while it is in the library's pool (encode/httpcore#1093)."""
    change: dict[str, JsonValue] = {"PROXY_QUEUE": "gate"}
    words = "Let requests wait before the library's pool, where cancelling them loses nothing: PROXY_QUEUE=gate"
    if (caveat := pool_beyond_total(facts)) is not None and caveat.advice is not None:
        change |= caveat.advice.set
        words += ", and let their wait end before the whole deadline"
    words += ". Only a restart brings these connections back: the next ./sandbox run begins with one."
    return Advice(words=words, set=change, promise=promise(facts, change, afresh=True))
