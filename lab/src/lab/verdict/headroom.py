"""How much more throughput each resource beside the pool would bear: what a promise has to keep to."""

from typing import NamedTuple

from lab.account.places import Place
from lab.conclusion import Bottleneck
from lab.verdict.facts import OWN_SHARE, TENTH, Facts

CLOSE = 1.25
"""A resource that bears less than this times the throughput is a limit of its own: more connections hardly help."""

_CLOSE_AS_WIDE = 1.5
"""The same of an upstream with no more servers than there are connections, near by.

Between two requests such a connection is with this machine only: the servers are used for 95 % on a quiet one, and for
70 % on a busy one, where more connections wait for the CPU instead.
"""

_TRAVEL = (Place.ROUND_TRIPS, Place.LOSS, Place.BANDWIDTH_QUEUE, Place.BODY, Place.SEND)


class Headroom(NamedTuple):
    """A resource, and how many times the throughput of the run it would bear."""

    resource: Bottleneck
    times: float


def headrooms(facts: Facts) -> list[Headroom]:
    """Return the resources whose utilisation is known, the fullest first."""
    used = {
        "cpu": facts.cpu_share("proxy"),
        "generator": facts.cpu_share("generator"),
        "machine": _machine(facts),
        "upstream": upstream_utilisation(facts),
        "network": bandwidth_utilisation(facts),
    }
    found = [Headroom(name, 1 / share) for name, share in used.items() if share > 0]  # type: ignore[arg-type]
    return sorted(found, key=lambda each: each.times)


def closest(facts: Facts) -> Headroom:
    """Return the resource that bears the least."""
    return next(iter(headrooms(facts)), Headroom("none", float("inf")))


def upstream_utilisation(facts: Facts) -> float:
    """Return the mean share of the upstream's servers at work (utilisation law, U = X S / c); 0 without a limit."""
    servers = facts.number("UPSTREAM_CAPACITY")
    return facts.run.totals.rps * facts.ms(Place.UPSTREAM_WORK) / 1000 / servers if servers else 0.0


def upstream_is_close(facts: Facts) -> bool:
    """Say whether more connections would soon wait for the upstream's servers."""
    pool = facts.run.pool
    near = facts.ms(*_TRAVEL) < TENTH * facts.ms(Place.UPSTREAM_WORK)
    as_wide = pool is not None and 0 < facts.number("UPSTREAM_CAPACITY") <= pool.max
    return upstream_utilisation(facts) * (_CLOSE_AS_WIDE if near and as_wide else CLOSE) > 1


def bandwidth_utilisation(facts: Facts) -> float:
    """Return the share of the bandwidth that the answers' bodies took; 0 without a limit. Requests have no body."""
    limit_mbit = facts.number("NET_BW_DOWN_MBIT")
    return facts.rps * facts.number("UPSTREAM_PAYLOAD_BYTES") * 8 / 1e6 / limit_mbit if limit_mbit else 0.0


def _machine(facts: Facts) -> float:
    """Return how busy all cores were, where it was the sandbox that kept them busy."""
    host = facts.run.host
    if host is None or host.busy_share is None or facts.own_cores < OWN_SHARE * host.cores * host.busy_share:
        return 0.0
    return host.busy_share
