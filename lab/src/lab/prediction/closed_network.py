"""Closed queueing networks with one class of customers, exactly, by their product form.

Sources:
* J. P. Buzen, Computational Algorithms for Closed Queueing Networks with Exponential Servers, CACM 16(9), 1973: the
  convolution; the means are those of mean value analysis (M. Reiser, S. Lavenberg, JACM 27(2), 1980).
* K. M. Chandy, U. Herzog, L. Woo, Parametric Analysis of Queuing Networks, IBM J. Res. Dev. 19(1), 1975: a part of a
  closed network may be replaced by one station with the part's throughput at each population.

The recursion of mean value analysis subtracts and loses all digits where a station is far from full. The convolution
adds positive terms only; they are kept as logarithms, because they overflow.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Rate = Callable[[int], float]
"""Departures per second of a station that holds so many customers, one at least."""


@dataclass(frozen=True)
class Station:
    """A station seen for itself in a closed network.

    `holds[k]`: the share of the time in which `k` customers are there. `finds[k]`: the share of the arrivals that find
    `k` there, by the arrival theorem as in a network with one customer less.
    """

    throughput: float
    holds: tuple[float, ...]
    finds: tuple[float, ...]


def servers(count: float, service_seconds: float) -> Rate:
    """Return the rate of a station with `count` servers of equal speed."""
    return lambda customers: min(customers, count) / service_seconds


def throughputs(customers: int, delay_seconds: float, queues: Sequence[float], stations: Sequence[Rate]) -> list[float]:
    """Return the throughput with 0, 1, ... `customers` customers.

    Each passes the delay, then each queue (one server with that service time), then each station, over and over.
    Time O(customers) for the delay and the queues, O(customers^2) for each station.
    """
    found = _constants(customers, delay_seconds, queues)
    for rate in stations:
        terms = _terms(customers, rate)
        found = [_log_sum([found[n - k] + terms[k] for k in range(n + 1)]) for n in range(customers + 1)]
    return [0.0, *(math.exp(found[n - 1] - found[n]) for n in range(1, customers + 1))]


def one_station(customers: int, delay_seconds: float, queues: Sequence[float], rate: Rate) -> Station:
    """Solve a network of the delay, the queues and this station, for the station alone. Time O(customers)."""
    others, own = _constants(customers, delay_seconds, queues), _terms(customers, rate)

    def shares(population: int) -> tuple[tuple[float, ...], float]:
        logarithms = [own[k] + others[population - k] for k in range(population + 1)]
        whole = _log_sum(logarithms)
        return tuple(math.exp(one - whole) for one in logarithms), whole

    (holds, whole), (finds, one_less) = shares(customers), shares(customers - 1)
    return Station(math.exp(one_less - whole), holds, finds)


def _constants(customers: int, delay_seconds: float, queues: Sequence[float]) -> list[float]:
    """Return the logarithms of the normalisation constants for 0 to `customers` customers (Buzen's G)."""
    delay = math.log(delay_seconds) if delay_seconds else -math.inf
    found = [0.0, *(k * delay - math.lgamma(k + 1) for k in range(1, customers + 1))]
    for service_seconds in filter(None, queues):
        for n in range(1, customers + 1):
            found[n] = _log_sum([found[n], math.log(service_seconds) + found[n - 1]])
    return found


def _terms(customers: int, rate: Rate) -> list[float]:
    """Return the logarithms of a station's factors in the product form, for 0 to `customers` customers there."""
    terms = [0.0]
    for k in range(1, customers + 1):
        terms.append(terms[-1] - math.log(rate(k)))
    return terms


def _log_sum(logarithms: Sequence[float]) -> float:
    most = max(logarithms)
    return most if most == -math.inf else most + math.log(math.fsum(math.exp(one - most) for one in logarithms))
