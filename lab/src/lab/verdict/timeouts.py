"""Time-outs in the wrong order: one hides what another would have told, or two sides close at the wrong moment."""

from lab.conclusion import Advice, Caveat
from lab.verdict.facts import Facts

POOL_FIRST = 0.5
"""The share of the whole deadline after which a wait for a connection is advised to end."""

CLIENT_FIRST = 0.8
"""The share of the upstream's keep-alive for which the client is advised to keep a connection."""

UNBOUNDED_KEEPALIVE_SECONDS = 60.0
"""What is advised where the upstream closes no idle connection."""


def wrong_order(facts: Facts) -> list[Caveat]:
    """Return a caveat for each pair of time-outs that is in the wrong order, with what to set."""
    return [caveat for caveat in (pool_beyond_total(facts), kept_too_long(facts)) if caveat is not None]


def pool_beyond_total(facts: Facts) -> Caveat | None:
    """A request that waits for a connection for too long ends by the deadline of the whole, as any other late one."""
    pool, total = facts.number("PROXY_POOL_TIMEOUT_SECONDS"), facts.number("PROXY_TOTAL_TIMEOUT_SECONDS")
    if not total or pool < total:
        return None
    because = (
        f"PROXY_POOL_TIMEOUT_SECONDS={pool:g} is not shorter than PROXY_TOTAL_TIMEOUT_SECONDS={total:g}: a request "
        "that finds no connection ends as 504 total_timeout, which doesn't name the pool"
    )
    return _caveat(because, "PROXY_POOL_TIMEOUT_SECONDS", POOL_FIRST * total)


def kept_too_long(facts: Facts) -> Caveat | None:
    """The upstream closes an idle connection at the moment in which a request is sent on it."""
    ours, theirs = facts.number("PROXY_KEEPALIVE_EXPIRY_SECONDS"), facts.number("UPSTREAM_KEEPALIVE_SECONDS")
    if not theirs or ours < theirs or not facts.number("PROXY_MAX_KEEPALIVE_CONNECTIONS"):
        return None
    because = (
        f"the client keeps idle connections for {ours:g} s (PROXY_KEEPALIVE_EXPIRY_SECONDS), the upstream for "
        f"{theirs:g} s (UPSTREAM_KEEPALIVE_SECONDS): a request can meet a connection that is being closed, and fail"
    )
    longest = longest_keepalive(facts)
    if longest <= 0:
        return Caveat(about="settings", because=f"{because}; no keep-alive of ours is short enough so far away")
    return _caveat(because, "PROXY_KEEPALIVE_EXPIRY_SECONDS", longest)


def longest_keepalive(facts: Facts) -> float:
    """Return for how many seconds the client may keep idle connections: it must close them before the upstream does."""
    theirs = facts.number("UPSTREAM_KEEPALIVE_SECONDS")
    if not theirs:
        return UNBOUNDED_KEEPALIVE_SECONDS
    rtt_ms = facts.run.network.configured.get("rtt_ms") if facts.run.network is not None else None
    in_time = theirs - (rtt_ms / 1e3 if isinstance(rtt_ms, int | float) else 0.0)  # a FIN and a request may cross
    return float(f"{CLIENT_FIRST * in_time:.3g}")


def _caveat(because: str, variable: str, seconds: float) -> Caveat:
    value = float(f"{seconds:.3g}")
    return Caveat(
        about="settings", because=because, advice=Advice(words=f"Set {variable}={value:g}.", set={variable: value})
    )
