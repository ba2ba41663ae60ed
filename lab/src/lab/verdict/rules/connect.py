"""New connections: what opening them takes, and who closed those that were there."""

from pydantic import JsonValue

from lab.account.places import Place
from lab.conclusion import Advice, Finding
from lab.verdict.facts import FULL, TENTH, Facts
from lab.verdict.headroom import bandwidth_utilisation
from lab.verdict.promises import promise, without_failures
from lab.verdict.timeouts import kept_too_long, longest_keepalive

_OPENING = (Place.DNS, Place.CONNECT, Place.TLS)

_THEIRS = Advice(
    words="The upstream closes them: keep-alive settings of the client change nothing. Its own must allow more "
    "(UPSTREAM_KEEPALIVE_SECONDS longer than the client's, UPSTREAM_MAX_REQUESTS_PER_CONNECTION, UPSTREAM_FRAMING)."
)


def find(facts: Facts) -> Finding | None:
    share = facts.caused(*_OPENING)
    pool = facts.run.pool
    if share < TENTH or pool is None or facts.churn < TENTH or facts.pattern_opens_each_time:
        return None
    if bandwidth_utilisation(facts) >= FULL:  # the handshakes wait for it, too
        return None
    because = (
        f"{facts.churn:.0%} of the requests opened a new connection, which took {facts.part(*_OPENING)}{_parts(facts)}"
    )
    closings = facts.run.closings
    by_upstream = closings is not None and closings.by_upstream > closings.by_client
    if closings is not None:
        because += f"; the upstream closed {closings.by_upstream}, the client {closings.by_client}"
        if closings.by_client and closings.expired is not None:
            because += f", {closings.expired} of them after a pause"
    advice = _theirs(facts) if by_upstream else _ours(facts, pool.max // facts.workers)
    return facts.finding("connect", max(_OPENING, key=facts.ms), share, because, advice)


def _parts(facts: Facts) -> str:
    """Return what the opening consisted of, where it was more than connecting."""
    parts = {"the name": Place.DNS, "TCP": Place.CONNECT, "TLS": Place.TLS}
    taken = [f"{name} {facts.ms(place):.0f}" for name, place in parts.items() if facts.ms(place) >= 1]
    return f" ({', '.join(taken)})" if len(taken) > 1 else ""


def _theirs(facts: Facts) -> Advice:
    """Advise what the upstream can change; where it closed idle connections, a shorter keep-alive of ours."""
    closings, caveat = facts.run.closings, kept_too_long(facts)
    if caveat is None or caveat.advice is None or closings is None or 2 * closings.idle < closings.by_upstream:
        return _THEIRS
    change = caveat.advice.set
    return Advice(
        words=f"{caveat.advice.words} Idle connections are closed by the upstream first, under a request at times; "
        "fewer that are idle (PROXY_MAX_CONNECTIONS) or a longer time of theirs saves opening them.",
        set=change,
        promise=without_failures(facts, "upstream_closed"),
    )


def _ours(facts: Facts, connections: int) -> Advice:
    keep = int(facts.number("PROXY_MAX_KEEPALIVE_CONNECTIONS"))
    if keep >= connections:
        return _longer(facts)
    return Advice(
        words=f"Keep as many as may be open: PROXY_MAX_KEEPALIVE_CONNECTIONS={connections} (now {keep}).",
        set={"PROXY_MAX_KEEPALIVE_CONNECTIONS": connections},
        promise=promise(facts, {"PROXY_MAX_KEEPALIVE_CONNECTIONS": connections}, "latency_mean_ms"),
    )


def _longer(facts: Facts) -> Advice:
    now, longest = facts.number("PROXY_KEEPALIVE_EXPIRY_SECONDS"), longest_keepalive(facts)
    words = f"Keep them for longer: PROXY_KEEPALIVE_EXPIRY_SECONDS={now:g} is shorter than the pauses between requests"
    if longest <= now:
        return Advice(words=f"{words}, and no longer one is shorter than the upstream's.")
    change: dict[str, JsonValue] = {"PROXY_KEEPALIVE_EXPIRY_SECONDS": longest}
    return Advice(words=f"{words}. Set {longest:g}.", set=change, promise=promise(facts, change, "latency_mean_ms"))
