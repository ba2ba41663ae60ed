"""The way to the upstream: its bandwidth, its losses, and how far it is."""

from lab.account.places import Place
from lab.conclusion import Advice, Finding
from lab.verdict.facts import FULL, QUEUES, TENTH, Facts
from lab.verdict.headroom import bandwidth_utilisation

FAR_SHARE = 0.5
"""Share of the users' time on the way above which the distance is what most of it went to."""


def find(facts: Facts) -> Finding | None:
    found = [one for one in (_bandwidth(facts), _loss(facts), _distance(facts)) if one is not None]
    return max(found, key=lambda one: one.share, default=None)


def _bandwidth(facts: Facts) -> Finding | None:
    used, share = bandwidth_utilisation(facts), facts.caused(Place.BANDWIDTH_QUEUE)
    if used >= FULL:  # then all that waits for a packet waits for it
        share = max(share, facts.share(Place.BANDWIDTH_QUEUE, Place.BODY, Place.CONNECT, Place.ROUND_TRIPS, *QUEUES))
    if share < TENTH:
        return None
    limit = facts.setting("NET_BW_DOWN_MBIT") or facts.setting("NET_BW_UP_MBIT")
    because = (
        f"the network's bandwidth was {used:.0%} used ({limit} Mbit/s): "
        f"{facts.part(Place.BANDWIDTH_QUEUE, Place.BODY)} waiting for it, "
        f"and {facts.ms(*QUEUES):.0f} ms in the proxy for those before"
    )
    words = "More connections only share it. Send less: smaller bodies, or compressed ones (UPSTREAM_ENCODING=gzip)."
    return facts.finding("network", Place.BANDWIDTH_QUEUE, share, because, Advice(words=words))


def _loss(facts: Facts) -> Finding | None:
    share = facts.caused(Place.LOSS)
    if share < TENTH:
        return None
    because = f"lost packets (NET_LOSS_PCT={facts.setting('NET_LOSS_PCT')}) took {facts.part(Place.LOSS)} to send again"
    words = (
        "Keep connections: a lost handshake costs a second, a loss within a warm connection a fraction of it. Set "
        "time-outs by the p99, not by the mean."
    )
    return facts.finding("network", Place.LOSS, share, because, Advice(words=words))


def _distance(facts: Facts) -> Finding | None:
    share = facts.share(Place.ROUND_TRIPS)
    if share < FAR_SHARE:
        return None
    because = f"{facts.part(Place.ROUND_TRIPS)} were spent on the way to the upstream and back"
    words = (
        "Make fewer round trips: keep connections alive, ask for more at once, or be nearer. More users at once "
        "cost nothing on the way."
    )
    return facts.finding("network", Place.ROUND_TRIPS, share, because, Advice(words=words))
