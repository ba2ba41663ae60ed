"""How far what a prediction assumes was off in a run, so that the next prediction of the same machine starts nearer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lab.prediction.prediction import Assumption, Quantity
from lab.prediction.workload import ServiceTime, Workload


@dataclass(frozen=True)
class Correction:
    """Factors for CPU and upstream, and what to add to the time that a request is on its way."""

    proxy_cpu: float = 1.0
    generator_cpu: float = 1.0
    upstream: float = 1.0
    travel_seconds: float = 0.0

    @classmethod
    def of(cls, assumptions: Sequence[Assumption], found: Mapping[Quantity, float]) -> "Correction":
        """Make it from what was assumed and what was measured of it; the users are a setting, failures are left out."""
        assumed = {one.quantity: one.value for one in assumptions}

        def factor(quantity: Quantity) -> float:
            if quantity not in found or not assumed.get(quantity):
                return 1.0
            return found[quantity] / assumed[quantity]

        travel_ms = found.get("travel_ms", assumed["travel_ms"]) - assumed["travel_ms"]
        return cls(factor("proxy_cpu_ms"), factor("generator_cpu_ms"), factor("upstream_ms"), travel_ms / 1e3)

    def apply(self, work: Workload) -> Workload:
        return replace(
            work,
            cpu_seconds=work.cpu_seconds * self.proxy_cpu,
            generator_cpu_seconds=work.generator_cpu_seconds * self.generator_cpu,
            work=scaled(work.work, self.upstream),
            travel_seconds=max(work.travel_seconds + self.travel_seconds, 0.0),
        )


def scaled(work: ServiceTime, factor: float) -> ServiceTime:
    """Return the distribution with all times longer by a factor."""
    strata = tuple((share, seconds * factor) for share, seconds in work.strata)
    return ServiceTime(work.mean_seconds * factor, work.scv, strata)
