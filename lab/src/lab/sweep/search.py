"""The first candidate that holds an objective, found with few noisy measurements and a forecast.

What is searched is the logarithm of value over limit, which falls from candidate to candidate. The forecast gives its
shape; measurements say how far it is off, and one says it of a neighbour, too, less surely the further away that is. So
every second of the search counts, not the last cell alone: p99 of one cell of 20 s is known to 10 % only.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lab.sweep.margin import Margin

Z_90 = 1.645
"""Of the normal distribution, two-sided 90 %."""

_FORECAST_ERROR = 0.3
"""Standard deviation of forecasts about the logarithm of what is measured then."""
_DRIFT, _DRIFT_BLIND = 0.5, 1.0
"""What a measurement is worth elsewhere: so much is added to its error for a factor of e between the candidates."""


@dataclass(frozen=True)
class Found:
    """The answer so far: numbers of candidates. None: not even the last holds. `sure`: the range is one candidate."""

    answer: int | None
    low: int | None
    high: int | None

    @property
    def sure(self) -> bool:
        return self.low == self.high


class Search:
    """Candidates in order, the hardest to hold the objective first. `forecast` gives a log ratio by their number."""

    def __init__(self, candidates: Sequence[int], forecast: Callable[[int], float] | None) -> None:
        self._candidates = candidates
        self._blind = forecast is None
        self._forecast = functools.cache(forecast or self._in_proportion)

    def found(self, measured: Mapping[int, Margin]) -> Found:
        """Return the answer by the margins of the candidates measured so far."""
        estimates = [self.estimate(number, measured) for number in range(len(self._candidates))]

        def first(shift: float) -> int | None:
            return next((number for number, one in enumerate(estimates) if one.log_ratio + shift < 0), None)

        answer = first(0.0)
        off = Z_90 * estimates[-1 if answer is None else answer].error
        return Found(answer, first(-off), first(off))

    def next(self, measured: Mapping[int, Margin]) -> int | None:
        """Return the candidate to measure next: the answer or the one before it, which is known less; None: enough."""
        found = self.found(measured)
        last = len(self._candidates) - 1
        at = last if found.answer is None else found.answer
        beside = [number for number in (at, at - 1) if number >= 0]
        if found.answer is None:
            beside = [last]
        unmeasured = [number for number in beside if number not in measured]
        if unmeasured:
            return unmeasured[0]
        if found.sure:
            return None
        return max(beside, key=lambda number: measured[number].error)

    def estimate(self, number: int, measured: Mapping[int, Margin]) -> Margin:
        """Return the forecast, corrected by what was measured near it."""
        weights, drift = [1 / (10 if self._blind else _FORECAST_ERROR) ** 2], _DRIFT_BLIND if self._blind else _DRIFT
        residuals = [0.0]
        for other, margin in measured.items():
            apart = abs(math.log(self._candidates[number] / self._candidates[other]))
            weights.append(1 / (max(margin.error, 1e-3) ** 2 + (drift * apart) ** 2))
            off = margin.log_ratio - self._forecast(other)
            residuals.append(max(min(off, 5.0), -5.0))
        total = math.fsum(weights)
        correction = math.fsum(weight * one for weight, one in zip(weights, residuals, strict=True)) / total
        return Margin(self._forecast(number) + correction, 1 / math.sqrt(total))

    def _in_proportion(self, number: int) -> float:
        """Without a forecast: half as much with twice the candidate, and the limit in the middle."""
        middle = math.sqrt(self._candidates[0] * self._candidates[-1])
        rising = 1 if self._candidates[-1] >= self._candidates[0] else -1
        return -rising * math.log(self._candidates[number] / middle)
