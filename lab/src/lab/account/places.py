"""The places where a request spends its time, each with what it does there and whose time it is: the one table."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Kind = Literal["queue", "work", "travel", "overhead"]
"""Waiting in a queue, being worked on, on its way, or the price of the machinery."""

Owner = Literal["load", "machine", "proxy", "client_library", "network", "upstream"]


class Place(StrEnum):
    """A place on a request's way, in the order in which it gets there. Each moment belongs to exactly one."""

    CALLER_SIDE = "caller_side"
    EVENT_LOOP = "event_loop"
    THREAD_WAIT = "thread_wait"
    ADMISSION = "admission"
    POOL_WAIT = "pool_wait"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    SEND = "send"
    UPSTREAM_QUEUE = "upstream_queue"
    UPSTREAM_WORK = "upstream_work"
    ROUND_TRIPS = "round_trips"
    LOSS = "loss"
    BANDWIDTH_QUEUE = "bandwidth_queue"
    BODY = "body"
    PROXY_CPU = "proxy_cpu"
    NOT_REPORTED = "not_reported"


@dataclass(frozen=True)
class PlaceFacts:
    """What is true of a place in every run. `meaning` completes "the time was spent ..."."""

    kind: Kind
    owner: Owner
    meaning: str


PLACES: dict[Place, PlaceFacts] = {
    Place.CALLER_SIDE: PlaceFacts("overhead", "load", "between the user and the proxy, outside of the proxy's reach"),
    Place.EVENT_LOOP: PlaceFacts("queue", "proxy", "waiting until the proxy's event loop got to it"),
    Place.THREAD_WAIT: PlaceFacts("queue", "proxy", "waiting for a thread of the `def` endpoints"),
    Place.ADMISSION: PlaceFacts("queue", "proxy", "waiting for the proxy to admit it (PROXY_MAX_IN_FLIGHT)"),
    Place.POOL_WAIT: PlaceFacts("queue", "proxy", "waiting for a connection of the pool"),
    Place.DNS: PlaceFacts("travel", "network", "looking up the upstream's name"),
    Place.CONNECT: PlaceFacts("travel", "network", "opening a TCP connection, until the upstream accepted it"),
    Place.TLS: PlaceFacts("travel", "network", "in the TLS handshake"),
    Place.SEND: PlaceFacts("travel", "load", "sending the request, a body as fast as its caller sends it"),
    Place.UPSTREAM_QUEUE: PlaceFacts("queue", "upstream", "waiting for one of the upstream's servers"),
    Place.UPSTREAM_WORK: PlaceFacts("work", "upstream", "being worked on by the upstream"),
    Place.ROUND_TRIPS: PlaceFacts("travel", "network", "on the way to the upstream and back"),
    Place.LOSS: PlaceFacts("travel", "network", "waiting until a lost packet was sent again"),
    Place.BANDWIDTH_QUEUE: PlaceFacts("queue", "network", "waiting for the network's bandwidth"),
    Place.BODY: PlaceFacts("work", "upstream", "between the answer's head and its last byte"),
    Place.PROXY_CPU: PlaceFacts("overhead", "proxy", "in the code of the proxy and its client library"),
    Place.NOT_REPORTED: PlaceFacts("overhead", "client_library", "in what the client library does not tell apart"),
}
