"""A pool that is full while requests wait for it."""

import math

from pydantic import JsonValue

from lab.account.places import Place
from lab.conclusion import Advice, Finding
from lab.pool_figures import Pool
from lab.prediction.calibration import HTTP2_STREAMS
from lab.verdict.facts import TENTH, Facts
from lab.verdict.limits import CONNECTIONS, Limit, next_limit, weight
from lab.verdict.promises import promise
from lab.wording import busy_words

_STREAMS_IN_USE = 0.85
"""Users are not spread evenly over workers: so much of its streams a worker is to need in the mean."""


def find(facts: Facts) -> Finding | None:
    pool = facts.run.pool
    if pool is None or facts.pattern_opens_each_time:
        return None
    share = weight(facts, Place.POOL_WAIT)
    if share < TENTH:  # of waiting while no connection was free: the rest is the event loop's
        return None
    what = "a connection" if pool.active_are == "connections" else "their turn"
    because = (
        f"requests waited {facts.part(Place.POOL_WAIT)} for {what}: {busy_words(pool)}, and "
        f"{pool.waiting_mean or 0:.1f} requests waited"
    )
    for queue, before in ((Place.THREAD_WAIT, "for a thread"), (Place.ADMISSION, "to be admitted")):
        if facts.share(queue) >= TENTH:
            because += f", after {facts.ms(queue):.0f} ms {before} behind those"
    if pool.timeouts:
        because += f"; {pool.timeouts} gave up with a pool time-out"
    shared = pool.active_are == "requests" and 0 < (pool.open_at_end or 0) < pool.max
    advice = _more_workers(facts) if shared else _advice(facts, pool)
    return facts.finding("pool", Place.POOL_WAIT, share, because, advice)


def _more_workers(facts: Facts) -> Advice:
    """Advise workers where HTTP/2 has no stream left: httpcore opens no further connection while it has one.

    HTTP/1.1 would need as many connections as requests: with 250 of them httpx takes 16 ms of CPU a request.
    """
    wanted = max(math.ceil(facts.at_once / (_STREAMS_IN_USE * HTTP2_STREAMS)), facts.workers + 1)
    change: dict[str, JsonValue] = {"UVICORN_WORKERS": wanted}
    return Advice(
        words=f"An HTTP/2 connection takes {HTTP2_STREAMS} requests at once, and the client opens no second one. Each "
        f"worker has one of its own: UVICORN_WORKERS={wanted}. Or HTTP/1.1 by another client, with as many connections "
        "as requests: PROXY_HTTP2=false, PROXY_CLIENT=pyreqwest.",
        set=change,
        promise=promise(facts, change),
    )


def _advice(facts: Facts, pool: Pool) -> Advice:
    """Advise as many connections as nearly all of the throughput needs, if that is more than it is."""
    now = pool.max // facts.workers
    change = Limit(CONNECTIONS, now, facts.share(Place.POOL_WAIT)).wider(facts)
    if not change:
        return Advice(words=f"More connections than {now} bring hardly anything: {next_limit(facts)} is as near.")
    words = f"Set {facts.change_words(change)}{', of each worker,' if facts.workers > 1 else ''} and run again."
    return Advice(words=words, set=change, promise=promise(facts, change))
