"""How far a cell keeps to an objective, and how sure that is."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from lab.conclusion import Figures
from lab.objective import Bound, Objective
from lab.prediction.workload import Forecast
from lab.sweep.cell_run import CellFigures, CellRun, merged_histogram, quantile, together

CLUSTERING = 1.2
"""Requests that wait behind one another are slow together: the variance of their figures is larger by this factor. For
p99 it was 0.9 to 1.2 between simulated runs of 60 users on 14 and 16 connections."""

_QUANTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Margin:
    """The logarithm of value over limit, turned so that less than 0 keeps to it, and its standard error."""

    log_ratio: float
    error: float


def margin(objective: Objective, runs: Sequence[CellRun]) -> Margin:
    """Return the margin of the bound that is furthest from holding, of the runs of one cell."""
    figures = figures_of(together(runs))
    return max((_margin(bound, figures, runs) for bound in objective.bounds), key=lambda one: one.log_ratio)


def figures_of(cell: CellFigures) -> Figures:
    return {
        "latency_p50_ms": cell.p50_ms,
        "latency_p90_ms": cell.p90_ms,
        "latency_p95_ms": cell.p95_ms,
        "latency_p99_ms": cell.p99_ms,
        "latency_mean_ms": cell.mean_ms,
        "failed_share": cell.failed_share,
        "succeeded_rps": cell.throughput_rps,
    }


def expected_log_ratio(objective: Objective, forecast: Forecast) -> float | None:
    """Return the same for a forecast, None where it has none of the figures."""
    known = [(bound, bound.value(forecast.figures)) for bound in objective.bounds]
    return max((_log_ratio(bound, value) for bound, value in known if value is not None), default=None)


def _margin(bound: Bound, figures: Figures, runs: Sequence[CellRun]) -> Margin:
    value = bound.value(figures)
    if value is None:
        return Margin(math.inf, 0.0)
    return Margin(_log_ratio(bound, value), _error(bound, runs))


def _log_ratio(bound: Bound, value: float) -> float:
    smallest = 1e-4
    ratio = math.log(max(value, smallest) / max(bound.limit, smallest))
    return ratio if bound.below else -ratio


def _error(bound: Bound, runs: Sequence[CellRun]) -> float:
    """Return the standard error of the value's logarithm.

    That of a quantile lies between the order statistics a standard deviation of their rank away (H. David,
    H. Nagaraja, Order Statistics, 2003, section 7.1).
    """
    histogram = merged_histogram(runs)
    count = sum(number for _, number in histogram)
    if not count:
        return math.inf
    if bound.metric in _QUANTILES:
        share = _QUANTILES[bound.metric]
        off = math.sqrt(share * (1 - share) * CLUSTERING / count)
        low, high = quantile(histogram, max(share - off, 0.0)), quantile(histogram, min(share + off, 1.0))
        assert low is not None
        assert high is not None
        return math.log(max(high, 1.0) / max(low, 1.0)) / 2 or 1 / count
    if bound.metric == "mean":
        mean = sum(value * number for value, number in histogram) / count
        variance = sum((value - mean) ** 2 * number for value, number in histogram) / count
        return math.sqrt(variance * CLUSTERING / count) / mean if mean else 0.0
    if bound.metric == "failures":
        return math.sqrt(CLUSTERING / (sum(one.failures for one in runs) + 0.5))
    seconds = [rate for one in runs for rate in one.succeeded]
    mean = statistics.fmean(seconds)
    return statistics.pstdev(seconds) / math.sqrt(len(seconds)) / mean if mean else math.inf
