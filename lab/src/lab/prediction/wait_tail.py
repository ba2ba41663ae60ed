"""How long requests wait for a connection in a closed load, beyond the mean."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

_RARE = 1e-5
"""States of a smaller share do not count."""


@dataclass(frozen=True)
class Departures:
    """The wait of an arrival that finds `k` requests with a share of `finds[k]`, where `places` are served at once.

    It waits for k - places + 1 departures, each of mean 1 / `rate`; their sum is taken as normal. Departures of many
    servers are a superposition of renewal processes: of the service time's own `scv` over times that are long against
    it, and like Poisson arrivals (1) over short ones (W. Whitt, Approximating a Point Process by a Renewal Process,
    Operations Research 30(1), 1982).
    """

    finds: Sequence[float]
    places: int
    rate: float
    scv: float

    def longer(self, seconds: float) -> float:
        """Return P(wait > seconds)."""
        if seconds < 0:
            return 1.0
        return math.fsum(share * self._above(k - self.places + 1, seconds) for k, share in self._waiting)

    @cached_property
    def _waiting(self) -> list[tuple[int, float]]:
        return [(k, share) for k, share in enumerate(self.finds) if k >= self.places and share > _RARE]

    def _above(self, departures: int, seconds: float) -> float:
        scv = self.scv + (1 - self.scv) * math.exp(-departures / self.places)
        mean, deviation = departures / self.rate, math.sqrt(departures * scv) / self.rate
        return math.erfc((seconds - mean) / (deviation * math.sqrt(2))) / 2


@dataclass(frozen=True)
class Bunches:
    """The wait where `users` start together and each holds one of `places` for the same time, `hold_seconds`.

    Nothing parts them any more: they go round in bunches of `places`, whose members follow one another after
    `spacing_seconds`. The first of a bunch find the places of those who wait no longer; the rest wait for the next one.
    """

    users: int
    places: int
    hold_seconds: float
    spacing_seconds: float

    def longer(self, seconds: float) -> float:
        """Return P(wait > seconds)."""
        rounds, rest = divmod(self.users - self.places, self.places)
        spacing = min(self.spacing_seconds, self.hold_seconds / self.places)
        first = rounds * self.hold_seconds + rest * spacing
        late = (rounds + 1) * self.hold_seconds - (self.places - rest) * spacing
        share = rest / self.places
        return (1 - share) * (first > seconds) + share * (late > seconds)
