"""What queueing theory says of M/M/c and M/M/c/K, and bounds for a mean of measurements.

Formulas: D. Gross, J. Shortle, J. Thompson, C. Harris, Fundamentals of Queueing Theory, 4th edition, chapter 2 (M/M/c,
Erlang's C, M/M/c/K); independent replications: A. Law, Simulation Modeling and Analysis, chapter 9.
"""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

# Two-sided 99.9 % quantiles: of Student's t with 19 degrees of freedom, of the normal distribution.
REPLICATIONS = 20
T_19 = 3.883
Z = 3.291


@dataclass(frozen=True)
class Queue:
    """M/M/c, or M/M/c/K if `room` says how many may wait: arrivals and services a second, servers."""

    arrivals: float
    services: float
    servers: int
    room: int | None = None

    @property
    def offered(self) -> float:
        """The load in servers."""
        return self.arrivals / self.services

    def states(self) -> list[float]:
        """The probability of so many customers in it, each; without a bound, of fewer than all servers busy."""
        weights = [self.offered**n / math.factorial(n) for n in range(self.servers)]
        full = self.offered**self.servers / math.factorial(self.servers)
        load = self.offered / self.servers
        if self.room is None:
            total = math.fsum(weights) + full / (1 - load)
        else:
            weights += [full * load**n for n in range(self.room + 1)]
            total = math.fsum(weights)
        return [weight / total for weight in weights]

    def waiting(self) -> float:
        """The probability that one who comes must wait; of those who are let in, if there is a bound."""
        found = self.states()
        if self.room is None:
            return 1 - math.fsum(found)
        return math.fsum(found[self.servers : -1]) / (1 - found[-1])

    def refused(self) -> float:
        """The share that is turned away."""
        return 0.0 if self.room is None else self.states()[-1]

    def mean_wait(self) -> float:
        """The mean wait in seconds, no wait counted as 0; of those who are let in, if there is a bound."""
        if self.room is None:
            return self.waiting() / (self.servers * self.services - self.arrivals)
        found = self.states()
        line = math.fsum(n * p for n, p in enumerate(found[self.servers :]))
        return line / (self.arrivals * (1 - found[-1]))  # Little's law


def interval(replications: Iterable[float]) -> tuple[float, float]:
    """Mean of independent replications and half of the 99.9 % confidence interval around it."""
    values = list(replications)
    assert len(values) == REPLICATIONS
    return statistics.fmean(values), T_19 * statistics.stdev(values) / math.sqrt(REPLICATIONS)
