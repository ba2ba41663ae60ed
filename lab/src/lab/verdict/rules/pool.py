"""A pool that is full while requests wait for it."""

import math

from pydantic import JsonValue

from lab.account.places import Place
from lab.conclusion import Advice, Finding
from lab.pool_figures import Pool
from lab.prediction.calibration import HTTP2_STREAMS
from lab.verdict.facts import TENTH, Facts
from lab.verdict.headroom import CLOSE, closest, upstream_is_close
from lab.verdict.promises import enough, promise
from lab.wording import LIMITS, busy_words

_SLOWED = (Place.UPSTREAM_QUEUE, Place.BANDWIDTH_QUEUE, Place.LOSS, Place.CONNECT, Place.TLS, Place.DNS)
"""Where connections are held for longer than the upstream and the distance need: rules of their own find it."""

_STREAMS_IN_USE = 0.85
"""Users are not spread evenly over workers: so much of its streams a worker is to need in the mean."""

WORTH_IT = 1.05
"""Times the throughput from which on an advice is one."""


def find(facts: Facts) -> Finding | None:
    pool = facts.run.pool
    if pool is None or facts.pattern_opens_each_time:
        return None
    share = facts.share(Place.POOL_WAIT)
    if share < TENTH:  # of waiting while no connection was free: the rest is the event loop's
        return None
    caused = facts.caused(*_SLOWED) - facts.share(*_SLOWED)
    weight = max(share - caused, 0.0)
    if closest(facts).times < CLOSE or upstream_is_close(facts):
        weight *= 0.5  # another resource would stop the next connection: half the reason at most
    what = "a connection" if pool.active_are == "connections" else "their turn"
    because = (
        f"requests waited {facts.part(Place.POOL_WAIT)} for {what}: {busy_words(pool)}, and "
        f"{pool.waiting_mean or 0:.1f} requests waited"
    )
    if pool.timeouts:
        because += f"; {pool.timeouts} gave up with a pool time-out"
    shared = pool.active_are == "requests" and 0 < (pool.open_at_end or 0) < pool.max
    advice = _more_workers(facts) if shared else _advice(facts, pool)
    return facts.finding("pool", Place.POOL_WAIT, weight, because, advice)


def _more_workers(facts: Facts) -> Advice:
    """Advise workers where HTTP/2 has no stream left: httpcore opens no further connection while it has one.

    HTTP/1.1 would need as many connections as requests: with 250 of them httpx takes 16 ms of CPU a request.
    """
    wanted = max(math.ceil(facts.run.users / (_STREAMS_IN_USE * HTTP2_STREAMS)), facts.workers + 1)
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
    limit = enough(facts, "PROXY_MAX_CONNECTIONS", now, facts.share(Place.POOL_WAIT))
    change: dict[str, JsonValue] = {"PROXY_MAX_CONNECTIONS": limit}
    if facts.number("PROXY_MAX_KEEPALIVE_CONNECTIONS") and facts.churn >= TENTH:
        change["PROXY_MAX_KEEPALIVE_CONNECTIONS"] = limit
    found = promise(facts, change)
    if found.after is not None and found.after < WORTH_IT * found.before:
        return Advice(words=f"More connections than {now} bring hardly anything: {_next_limit(facts)} is as near.")
    names = facts.change_words(change)
    words = f"Set {names}{', of each worker,' if facts.workers > 1 else ''} and run again."
    return Advice(words=words, set=change, promise=found)


def _next_limit(facts: Facts) -> str:
    resource = closest(facts).resource
    return "the next limit" if resource == "none" else LIMITS[resource]
