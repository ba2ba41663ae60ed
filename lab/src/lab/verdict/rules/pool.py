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
    return facts.finding("pool", Place.POOL_WAIT, weight, because, _advice(facts, pool))


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
