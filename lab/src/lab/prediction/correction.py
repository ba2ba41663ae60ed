"""How far what a prediction assumes was off in a run, so that the next prediction of the same machine starts nearer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lab.prediction.prediction import Assumption, Quantity
from lab.prediction.workload import ServiceTime, Workload


@dataclass(frozen=True)
class Correction:
    """Factors for CPU and upstream, and what to add to the time that a request is on its way.

    `opening_seconds` come on top for a request that opens a connection.
    """

    proxy_cpu: float = 1.0
    generator_cpu: float = 1.0
    upstream: float = 1.0
    travel_seconds: float = 0.0
    opening_seconds: float = 0.0

    @classmethod
    def of(
        cls,
        assumptions: Sequence[Assumption],
        found: Mapping[Quantity, float],
        opened_share: float = 0.0,
        more_opening_ms: float = 0.0,
    ) -> "Correction":
        """Make it from what was assumed and what was measured of it; the users are a setting, failures are left out.

        Of the time on the way that was not assumed, so many ms in the mean of all requests were spent by the share of
        them that opened a connection.
        """
        assumed = {one.quantity: one.value for one in assumptions}

        def factor(quantity: Quantity) -> float:
            if quantity not in found or not assumed.get(quantity):
                return 1.0
            return found[quantity] / assumed[quantity]

        travel_ms = found.get("travel_ms", assumed["travel_ms"]) - assumed["travel_ms"]
        opening_ms = more_opening_ms if opened_share else 0.0
        return cls(
            proxy_cpu=factor("proxy_cpu_ms"),
            generator_cpu=factor("generator_cpu_ms"),
            upstream=factor("upstream_ms"),
            travel_seconds=(travel_ms - opening_ms) / 1e3,
            opening_seconds=opening_ms / 1e3 / opened_share if opened_share else 0.0,
        )

    def apply(self, work: Workload) -> Workload:
        return replace(
            work,
            cpu_seconds=work.cpu_seconds * self.proxy_cpu,
            generator_cpu_seconds=work.generator_cpu_seconds * self.generator_cpu,
            work=scaled(work.work, self.upstream),
            travel_seconds=max(
                work.travel_seconds + self.travel_seconds + work.opened_share * self.opening_seconds, 0.0
            ),
        )


def scaled(work: ServiceTime, factor: float) -> ServiceTime:
    """Return the distribution with all times longer by a factor."""
    strata = tuple((share, seconds * factor) for share, seconds in work.strata)
    return ServiceTime(work.mean_seconds * factor, work.scv, strata)
