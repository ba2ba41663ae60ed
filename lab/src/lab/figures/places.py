"""How the places of a request look and are called in every figure: one colour each, by whose time it is.

Blue is the network's, green the upstream's, red to yellow the proxy's, grey the load's. Each colour has a contrast of
three to one and more with white and with the dark page (WCAG 2.2, 1.4.11). Of neighbours the words tell, not the hue.
"""

from lab.account.places import PLACES, Place

COLOURS: dict[Place, str] = {
    Place.CALLER_SIDE: "#777c86",
    Place.EVENT_LOOP: "#cf351e",
    Place.THREAD_WAIT: "#cb4d8c",
    Place.ADMISSION: "#be8c05",
    Place.POOL_WAIT: "#e36606",
    Place.DNS: "#655cd0",
    Place.CONNECT: "#2d74e8",
    Place.TLS: "#1f9ad7",
    Place.SEND: "#8f939a",
    Place.UPSTREAM_QUEUE: "#67a017",
    Place.UPSTREAM_WORK: "#198e53",
    Place.ROUND_TRIPS: "#0993af",
    Place.LOSS: "#a057d5",
    Place.BANDWIDTH_QUEUE: "#037d7d",
    Place.BODY: "#4fa36b",
    Place.PROXY_CPU: "#925537",
    Place.NOT_REPORTED: "#bd77b1",
}

_OF_PHASE = {
    "upstream": Place.UPSTREAM_WORK,
    "network": Place.ROUND_TRIPS,
    "proxy": Place.PROXY_CPU,
    "other": Place.NOT_REPORTED,
}
"""Phases of the proxy's ledger that are called differently, and the place that most of their time is spent at."""


def place_of(phase: str) -> Place | None:
    """Return the place of one of the ledger's phases; None for their sum."""
    return _OF_PHASE.get(phase) or next((place for place in Place if place == phase), None)


def label(place: Place) -> str:
    return place.replace("_", " ")


def sentence(place: Place) -> str:
    """Return what the time was spent with, for a hover text."""
    return f"time {PLACES[place].meaning}"
