"""A distribution in figures: what a prediction is made from."""

import math
from dataclasses import dataclass

from upstream_mock.latency.distribution import Distribution, cut

_STEP = 0.005
_STEPS = 7400  # up to 1 - e^-37, the largest number below 1 that random() returns
_STRATA = (*((0.01, 0.01 * k) for k in range(98)), *((0.001, 0.98 + 0.001 * k) for k in range(20)))
"""Widths and lower ends: hundredths, and thousandths for the slowest two."""


@dataclass(frozen=True)
class Summary:
    """Mean, squared coefficient of variation, and shares of the draws with the milliseconds in the middle of each."""

    mean_ms: float
    scv: float
    strata_ms: tuple[tuple[float, float], ...]


def summary(distribution: Distribution) -> Summary:
    """Return the figures of the draws, which are cut as the sampler cuts them.

    The moments are integrals of the quantile function over u = 1 - e^-x, whose steps grow finer towards 1: so a long
    tail is in them, as far as a run can draw it.
    """
    steps = [(k + 0.5) * _STEP for k in range(_STEPS)]
    weights = [math.exp(-x) * _STEP for x in steps]
    draws = [cut(distribution.quantile(-math.expm1(-x))) for x in steps]
    whole = math.fsum(weights)
    mean = math.fsum(weight * draw for weight, draw in zip(weights, draws, strict=True)) / whole
    variance = math.fsum(w * (draw - mean) ** 2 for w, draw in zip(weights, draws, strict=True)) / whole
    middles = ((width, cut(distribution.quantile(low + width / 2))) for width, low in _STRATA)
    return Summary(
        mean_ms=round(mean * 1e3, 6),
        scv=round(variance / mean**2, 6) if mean else 0.0,
        strata_ms=tuple((width, round(seconds * 1e3, 3)) for width, seconds in middles),
    )
