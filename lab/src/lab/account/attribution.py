"""Where the users' time went, as it stands in the run document."""

from collections.abc import Mapping

from lab.account.places import PLACES, Kind, Owner, Place
from lab.document_part import DocumentPart


class TimeMs(DocumentPart):
    """Milliseconds: in the mean, at two quantiles, in the slowest 1 %."""

    mean: float
    p50: float
    p99: float
    slowest: float


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


FIGURES = ("mean", "p50", "p99", "slowest")


def attribution(users: TimeMs, spent: Mapping[Place, TimeMs]) -> Attribution:
    """Return the account of times that add up to the users'."""
    places = [
        PlaceTime(
            place=place,
            kind=PLACES[place].kind,
            owner=PLACES[place].owner,
            ms=ms,
            share=_share(ms.mean, users.mean),
            share_of_slowest=_share(ms.slowest, users.slowest),
        )
        for place, ms in spent.items()
        if any(getattr(ms, figure) for figure in FIGURES)
    ]
    return Attribution(users_ms=users, places=sorted(places, key=lambda each: -each.ms.mean))


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0
