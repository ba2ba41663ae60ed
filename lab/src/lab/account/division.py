"""The time that the proxy knows of some requests, divided among the places. Pure.

The proxy measures phases, step by step: they add up. Some of them cover more than one place, and are divided by what
others know: the wait for the answer's head (`network`; `other` with a client that tells less) and the body by what the
link charged, the wait for a connection by how often there was one, connecting by the time that lookups took. What
nothing explains stays where it was measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lab.account.places import Place
from lab.account.request_classes import Requests

_SAME = {
    "admission": Place.ADMISSION,
    "thread_wait": Place.THREAD_WAIT,
    "tls": Place.TLS,
    "send": Place.SEND,
    "upstream_queue": Place.UPSTREAM_QUEUE,
    "proxy": Place.PROXY_CPU,
}


@dataclass(frozen=True)
class Knowledge:
    """What is known of the mean request beside its phases, in ms.

    Of the link: `round_trips`, `loss`, `bandwidth_queue` and `handshake`. `loop_lag`: how late the proxy's event loop
    got to what was ready. `kept_wait`: the wait for a head on a connection that was there, None if all were new.
    `free_share`: the part of the waiting for a connection in which the pool had one, `opening_share` the part in which
    another request opened the connection for all. `lookup_share`: the part of
    connecting that looking up names took. `swallowed_share`: the part of the requests without a report that the network
    lost, or their answers.
    """

    round_trips: float = 0.0
    loss: float = 0.0
    bandwidth_queue: float = 0.0
    handshake: float = 0.0
    loop_lag: float = 0.0
    kept_wait: float | None = None
    free_share: float = 0.0
    opening_share: float = 0.0
    lookup_share: float = 0.0
    swallowed_share: float = 0.0


def places_ms(requests: Requests, all_requests: Requests, known: Knowledge) -> dict[Place, float]:
    """Return the mean ms that some of all requests spent at each place; the sum is that of their phases."""
    spent = dict.fromkeys(Place, 0.0)
    for phase, place in _SAME.items():
        spent[place] += requests.mean_ms(phase)
    waited = requests.mean_ms("pool_wait")
    spent[Place.EVENT_LOOP] = waited * known.free_share
    for_all = waited * known.opening_share
    spent[Place.POOL_WAIT] = waited - spent[Place.EVENT_LOOP] - for_all
    _add(spent, _connecting(requests, known))
    spent[Place.CONNECT] += for_all
    _add(spent, _upstream(requests, known))
    head, body = _path(all_requests, known)
    _add(spent, _head(requests, head, known))
    _add(spent, body.of(requests.mean_ms("body"), Place.BODY))
    return spent


def _add(spent: dict[Place, float], more: Mapping[Place, float]) -> None:
    for place, ms in more.items():
        spent[place] += ms


def _connecting(requests: Requests, known: Knowledge) -> dict[Place, float]:
    """Divide `connect`: looking up the name, the connection itself, and the proxy's loop until it saw that."""
    whole = requests.mean_ms("connect")
    looked_up = whole * known.lookup_share
    late = min(whole - looked_up, known.loop_lag * requests.opened / requests.count) if requests.count else 0.0
    return {Place.DNS: looked_up, Place.EVENT_LOOP: late, Place.CONNECT: whole - looked_up - late}


def _upstream(requests: Requests, known: Knowledge) -> dict[Place, float]:
    """Divide `upstream`: what it reported; and the wait for an answer that the network swallowed."""
    whole = requests.mean_ms("upstream")
    unreported = min(requests.unreported_ms / requests.count if requests.count else 0.0, whole)
    swallowed = unreported * known.swallowed_share
    return {Place.UPSTREAM_WORK: whole - swallowed, Place.LOSS: swallowed}


@dataclass(frozen=True)
class _Charged:
    """What the link charged for a stretch of time: `round_trips` in ms, the others as shares of what is beyond them."""

    round_trips: float
    loss: float
    bandwidth_queue: float

    def of(self, ms: float, rest: Place) -> dict[Place, float]:
        trips = min(self.round_trips, ms)
        beyond = ms - trips
        loss, queued = beyond * self.loss, beyond * self.bandwidth_queue
        charged = {Place.ROUND_TRIPS: trips, Place.LOSS: loss, Place.BANDWIDTH_QUEUE: queued}
        return charged | {rest: charged.get(rest, 0.0) + beyond - loss - queued}


def _path(requests: Requests, known: Knowledge) -> tuple[_Charged, _Charged]:
    """Divide what the link charged the mean request between the wait for its head and its body.

    The first round trip is the head's. Loss and queueing go to either as time is left.
    """
    wait, body = _wait_ms(requests), requests.mean_ms("body")
    head_trips = min(known.round_trips, wait)
    body_trips = min(known.round_trips - head_trips, body)
    left = wait - head_trips + body - body_trips
    whole = max(left, known.loss + known.bandwidth_queue)
    loss, queued = (known.loss / whole, known.bandwidth_queue / whole) if whole > 0 else (0.0, 0.0)
    return _Charged(head_trips, loss, queued), _Charged(body_trips, loss, queued)


def _wait_ms(requests: Requests) -> float:
    return requests.mean_ms("network") + requests.mean_ms("other")


def _head(requests: Requests, charged: _Charged, known: Knowledge) -> dict[Place, float]:
    """Divide the wait for the head, less what the upstream reported.

    Beyond what the link charged: the proxy's loop, until it saw the answer; and the upstream, until it accepted a new
    connection. The remainder is the network's, or unknown with a client that does not tell sending from waiting.
    """
    wait = _wait_ms(requests)
    spent = charged.of(wait, Place.NOT_REPORTED)
    rest = spent[Place.NOT_REPORTED]
    spent[Place.EVENT_LOOP] = min(rest, known.loop_lag)
    rest -= spent[Place.EVENT_LOOP]
    spent[Place.CONNECT] = min(rest, _accept_ms(requests, rest, known))
    rest -= spent[Place.CONNECT]
    unknown = rest * requests.mean_ms("other") / wait if wait else 0.0
    spent[Place.NOT_REPORTED] = unknown
    spent[Place.ROUND_TRIPS] += rest - unknown
    return spent


def _accept_ms(requests: Requests, rest: float, known: Knowledge) -> float:
    """Return how much longer the mean request waited because its connection was new, at most `rest`.

    A client that does not tell which were new leaves what the link knows of handshakes.
    """
    if not requests.opened:
        return known.handshake
    share = requests.opened / requests.count
    if known.kept_wait is None:
        return rest * share
    return max(0.0, requests.opened_wait_ms / requests.count - known.kept_wait * share)
