"""M/G/c: Poisson arrivals, a general service time, several servers, first come first served.

Other arrivals than Poisson (GI/G/c) by the same approximation.

Sources:
* D. Gross, J. Shortle, J. Thompson, C. Harris, Fundamentals of Queueing Theory, 4th edition, section 2.3: M/M/c,
  Erlang's C formula.
* A. O. Allen, Probability, Statistics, and Queueing Theory, 2nd edition, section 5.4: the approximation of Allen and
  Cunneen for the mean wait in M/G/c, exact for M/M/c and M/G/1.
"""

import math
from dataclasses import dataclass


def erlang_c(offered: float, count: int) -> float:
    """Return the probability that an arrival waits in M/M/c; `offered` is arrival rate times service time, below c."""
    blocked = 1.0  # Erlang's B formula by its recursion, which does not overflow
    for server in range(1, count + 1):
        blocked = offered * blocked / (server + offered * blocked)
    utilisation = offered / count
    return blocked / (1 - utilisation * (1 - blocked))


@dataclass(frozen=True)
class OpenQueue:
    """M/G/c below saturation. `scv`: squared coefficient of variation of the service time, 1 for an exponential one.

    `arrivals_scv`: that of the times between arrivals, 1 for Poisson.
    """

    arrivals_per_second: float
    service_seconds: float
    count: int
    scv: float = 1.0
    arrivals_scv: float = 1.0

    @property
    def utilisation(self) -> float:
        return self.arrivals_per_second * self.service_seconds / self.count

    @property
    def waits(self) -> float:
        """The share of the arrivals that wait."""
        return erlang_c(self.arrivals_per_second * self.service_seconds, self.count)

    @property
    def mean_wait_seconds(self) -> float:
        """The mean wait of all arrivals."""
        free_per_second = self.count / self.service_seconds - self.arrivals_per_second
        return self.waits / free_per_second * (self.arrivals_scv + self.scv) / 2

    def waits_longer(self, seconds: float) -> float:
        """Return P(wait > seconds): an exponential tail through the mean, exact for exponential service."""
        if seconds < 0:
            return 1.0
        if self.mean_wait_seconds == 0.0:
            return 0.0
        return self.waits * math.exp(-seconds * self.waits / self.mean_wait_seconds)
