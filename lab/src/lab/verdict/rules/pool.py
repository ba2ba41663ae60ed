"""A pool that is full while requests wait for it."""

import math

from lab.account.places import Place
from lab.conclusion import Advice, Finding
from lab.run_document import Pool
from lab.verdict.facts import TENTH, Facts
from lab.verdict.headroom import CLOSE, closest
from lab.wording import busy_words

_SLOWED = (Place.UPSTREAM_QUEUE, Place.BANDWIDTH_QUEUE, Place.LOSS, Place.CONNECT, Place.TLS, Place.DNS)
"""Where connections are held for longer than the upstream and the distance need: rules of their own find it."""


def find(facts: Facts) -> Finding | None:
    pool = facts.run.pool
    if pool is None or facts.pattern_opens_each_time:
        return None
    share = facts.share(Place.POOL_WAIT)
    if share < TENTH:  # of waiting while no connection was free: the rest is the event loop's
        return None
    caused = facts.caused(*_SLOWED) - facts.share(*_SLOWED)
    weight = max(share - caused, 0.0)
    if closest(facts).times < CLOSE:
        weight *= 0.5  # another resource would stop the next connection: half the reason at most
    what = "a connection" if pool.active_are == "connections" else "their turn"
    because = (
        f"requests waited {facts.part(Place.POOL_WAIT)} for {what}: {busy_words(pool)}, and "
        f"{pool.waiting_mean or 0:.1f} requests waited"
    )
    if pool.timeouts:
        because += f"; {pool.timeouts} gave up with a pool time-out"
    shared = pool.active_are == "requests" and 0 < (pool.open_at_end or 0) < pool.max
    advice = _unshare(facts) if shared else _advice(facts, pool)
    return facts.finding("pool", Place.POOL_WAIT, weight, because, advice)


def _unshare(facts: Facts) -> Advice:
    """Advise HTTP/1.1 where HTTP/2 has no stream left: httpcore opens no further connection while it has one."""
    wanted = math.ceil(facts.run.users / facts.workers)
    names = ("PROXY_MAX_CONNECTIONS", "PROXY_MAX_KEEPALIVE_CONNECTIONS")
    return Advice(
        words="An HTTP/2 connection takes 100 requests at once, and the client opens no second one. Use HTTP/1.1: "
        f"PROXY_HTTP2=false and PROXY_MAX_CONNECTIONS={wanted}. Or more workers: each has a connection of its own.",
        set={"PROXY_HTTP2": False} | dict.fromkeys(names, wanted),
        promise=facts.throughput_promise(None, "as many connections as users"),
    )


def _advice(facts: Facts, pool: Pool) -> Advice:
    """Advise as many connections as requests hold one or wait for one (Little's law), as far as the rest bears it."""
    now = pool.max // facts.workers
    wanted = math.ceil(((pool.active_mean or 0) + (pool.waiting_mean or 0)) / facts.workers)
    users = math.ceil(facts.run.users / facts.workers)
    if users and wanted > 0.85 * users:
        wanted = users  # a closed loop cannot use more
    bearable = closest(facts)
    limit = max(min(wanted, math.ceil(now * bearable.times)) if math.isfinite(bearable.times) else wanted, now + 1)
    times = min(limit * facts.workers / (pool.active_mean or pool.max), bearable.times)
    words = f"Set PROXY_MAX_CONNECTIONS={limit} (now {now}{' a worker' if facts.workers > 1 else ''}) and run again."
    settings: dict[str, object] = {"PROXY_MAX_CONNECTIONS": limit}
    if facts.number("PROXY_MAX_KEEPALIVE_CONNECTIONS") and facts.churn >= TENTH:
        settings["PROXY_MAX_KEEPALIVE_CONNECTIONS"] = limit
    return Advice(
        words=words,
        set=settings,
        promise=facts.throughput_promise(times),
    )
