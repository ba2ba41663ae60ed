"""Where the users' time went: the account as it stands in the run document, and how it is made. Pure."""

from dataclasses import dataclass, replace

from lab.account.division import Knowledge, places_ms
from lab.account.places import PLACES, Kind, Owner, Place
from lab.account.request_classes import RequestClasses, Requests
from lab.document_part import DocumentPart


class TimeMs(DocumentPart):
    """Milliseconds: in the mean, at two quantiles, in the slowest 1 %."""

    mean: float
    p50: float
    p99: float
    slowest: float

    @property
    def any(self) -> bool:
        return bool(self.mean or self.p50 or self.p99 or self.slowest)


class PlaceTime(DocumentPart):
    """The time spent at one place. `share` is of the mean, `share_of_slowest` of the slowest 1 %."""

    place: Place
    kind: Kind
    owner: Owner
    ms: TimeMs
    share: float
    share_of_slowest: float


class Attribution(DocumentPart):
    """The users' time, divided among the places, the one with most of the mean first.

    The places add up to `users_ms` in each of its four figures. Those at a quantile are the means of the requests
    around it. A place without time is left out.
    """

    users_ms: TimeMs
    places: list[PlaceTime]

    def mean_ms(self, place: Place) -> float:
        return next((each.ms.mean for each in self.places if each.place == place), 0.0)

    def share(self, place: Place) -> float:
        return next((each.share for each in self.places if each.place == place), 0.0)


@dataclass(frozen=True)
class Measured:
    """The time of a window's requests as users measured it, and what they spent in the proxy.

    `lag` is how late the proxy's event loop ran, at the same figures.
    """

    users: TimeMs
    lag: TimeMs
    classes: RequestClasses


BANDS = {"mean": (0.0, 1.0), "p50": (0.45, 0.55), "p99": (0.985, 0.995), "slowest": (0.99, 1.0)}
"""The requests that a figure is of, by their rank."""


def attribution(measured: Measured, known: Knowledge) -> Attribution:
    """Divide the users' time among the places. It adds up: what the proxy does not know of is the caller's side.

    Of that, too, a part is the proxy's: until its event loop read the request.
    """
    everything = measured.classes.between(0.0, 1.0)
    spent = {figure: _spent(figure, everything, measured, known) for figure in BANDS}
    places = []
    for place, facts in PLACES.items():
        ms = TimeMs(**{figure: round(each[place], 4) for figure, each in spent.items()})
        if ms.any:
            shares = _share(ms.mean, measured.users.mean), _share(ms.slowest, measured.users.slowest)
            mine = {"share": shares[0], "share_of_slowest": shares[1]}
            places.append(PlaceTime(place=place, kind=facts.kind, owner=facts.owner, ms=ms, **mine))
    return Attribution(users_ms=measured.users, places=sorted(places, key=lambda each: -each.ms.mean))


def _spent(figure: str, everything: Requests, measured: Measured, known: Knowledge) -> dict[Place, float]:
    users, lag = getattr(measured.users, figure), getattr(measured.lag, figure)
    some = measured.classes.between(*BANDS[figure])
    spent = places_ms(some, everything, replace(known, loop_lag=lag))
    whole = sum(spent.values())
    if whole > users:  # the proxy ends a request a moment after its user has the answer
        spent = {place: ms * users / whole for place, ms in spent.items()}
    outside = max(users - whole, 0.0)
    unread = min(outside, lag)
    spent[Place.EVENT_LOOP] += unread
    spent[Place.CALLER_SIDE] += outside - unread
    return spent


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0
