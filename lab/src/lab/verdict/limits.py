"""The proxy's own limits, which a request passes one after the other: which is too small, and what is enough. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from lab.account.places import Place
from lab.prediction.from_settings import Unpredictable
from lab.prediction.promise import smallest
from lab.verdict.facts import FULL, HOLDING, TENTH, Facts
from lab.verdict.headroom import CLOSE, closest, upstream_is_close
from lab.verdict.promises import most_rps, users_each
from lab.wording import LIMITS

CONNECTIONS = "PROXY_MAX_CONNECTIONS"
KEPT = "PROXY_MAX_KEEPALIVE_CONNECTIONS"

WORTH_IT = 1.05
"""Times the throughput from which on an advice is one."""

_NEARLY = 0.97
"""The share of the throughput without a limit that is enough: the last connections are hardly ever used."""

_ALL = 0.85
"""Of more than that share of the users, one for each is advised: a round number that nothing is lost by."""

_INNER: Mapping[Place, tuple[Place, ...]] = {
    Place.ADMISSION: (Place.THREAD_WAIT, Place.POOL_WAIT),
    Place.THREAD_WAIT: (Place.POOL_WAIT,),
    Place.POOL_WAIT: (),
}
"""The queues that come after each, the outermost first."""

_SLOWED = (Place.UPSTREAM_QUEUE, Place.BANDWIDTH_QUEUE, Place.LOSS, Place.CONNECT, Place.TLS, Place.DNS)
"""Where a place is held for longer than the upstream and the distance need: rules of their own find it."""


def weight(facts: Facts, queue: Place) -> float:
    """Return the share of the users' time that requests waited because this limit is too small.

    A request waits behind others; while these wait in an inner queue, it waits because of that queue. So the part of
    the time in which places are held that goes to an inner queue is that queue's part of the waiting before. Half of it
    where another resource is about to stop more requests at once.
    """
    waited = {place: facts.share(place) for place in _INNER}
    holding = facts.ms(*HOLDING)
    for outer, inner in _INNER.items():
        held, whole = holding + facts.ms(*inner), waited[outer]
        for place in inner:
            moved = whole * facts.ms(place) / held if held else 0.0
            waited[outer] -= moved
            waited[place] += moved
    found = waited[queue] * (1 - facts.ms(*_SLOWED) / holding if holding else 1.0)
    return found / 2 if closest(facts).times < CLOSE or upstream_is_close(facts) else found


@dataclass(frozen=True)
class Limit:
    """One of them: its variable, its value for each worker, and the share of the users' time before it."""

    variable: str
    now: int
    waiting_share: float

    def wider(self, facts: Facts) -> dict[str, JsonValue]:
        """Return what to set: this limit, with the connections where they would stop the same; {} if it is no use."""
        alone = self._kept(facts, {self.variable: self.enough(facts)})
        if self.variable == CONNECTIONS or not facts.number(CONNECTIONS):
            return alone if _helps(facts, alone) is not False else {}
        if _helps(facts, alone) or (_helps(facts, alone) is None and not _pool_is_full(facts)):
            return alone
        both = self.enough(facts, CONNECTIONS)
        wider = max(both, int(facts.number(CONNECTIONS)))
        change = self._kept(facts, {self.variable: both, CONNECTIONS: wider})
        return change if _helps(facts, change) is not False else {}

    def enough(self, facts: Facts, other: str | None = None) -> int:
        """Return the smallest value with which throughput is nearly what it is without this limit, and without another.

        Where no model describes the run: as many as hold a place or wait for one in the mean (Little's law).
        """
        most = max(users_each(facts), self.now + 1)
        least = int(facts.number(other)) if other is not None else 0

        def rps(value: int) -> float:
            change: dict[str, JsonValue] = {self.variable: value}
            return facts.model.figures(change if other is None else {**change, other: max(value, least)})[
                "succeeded_rps"
            ]

        try:
            wanted = min(_NEARLY * rps(most), most_rps(facts))
            found = smallest(rps, _at_least(wanted), most)
        except Unpredictable:
            found = round(self.now / max(1 - self.waiting_share, 0.05))
        value = max(found or most, self.now + 1)
        return most if _ALL * most < value else value

    @staticmethod
    def _kept(facts: Facts, change: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """Add that as many are kept as there are connections, where few were kept and many were opened anew."""
        if CONNECTIONS in change and facts.number(KEPT) and facts.churn >= TENTH:
            return {**change, KEPT: change[CONNECTIONS]}
        return change


def next_limit(facts: Facts) -> str:
    resource = closest(facts).resource
    return "the next limit" if resource == "none" else LIMITS[resource]


def _at_least(wanted: float) -> Callable[[float], bool]:
    return lambda rps: rps >= wanted


def _helps(facts: Facts, change: Mapping[str, JsonValue]) -> bool | None:
    """Say whether a change brings more throughput; None where no model describes the run."""
    try:
        return facts.model.figures(change)["succeeded_rps"] >= WORTH_IT * facts.rps
    except Unpredictable:
        return None


def _pool_is_full(facts: Facts) -> bool:
    pool = facts.run.pool
    return pool is not None and (pool.active_mean or 0.0) >= FULL * pool.max
