"""The distribution of the response times: what a share of the requests does not exceed, and what was predicted."""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from lab.figures.chart import QUIET, SERIES, Figure, Trace, axis, layout, line, rule
from lab.objective import parse_objective
from lab.prediction.workload import Forecast
from lab.run_document import RunDocument
from lab.wording import run_names

_TICKS = (0.5, 0.9, 0.95, 0.99, 0.999, 0.9999)
_MOST_POINTS = 400
_APART = 0.9
"""A first byte that comes later than that share of the whole answer is the same curve."""
_HOVER = "%{customdata:.4~p} of the requests took <b>%{y:.4g} ms</b> or less"


def distribution(runs: Sequence[RunDocument], colours: Sequence[str] = SERIES) -> Figure:
    """Return a curve for each run, in its colour.

    To the right each step is a tenth of the requests that are left, so tails show.
    """
    traces: list[Trace] = []
    names = run_names(runs) if len(runs) > 1 else ["whole answer"]
    for number, (name, run) in enumerate(zip(names, runs, strict=True)):
        traces += _curves(run, name, colours[number % len(colours)])
    ticks = {"tickvals": [_across(share) for share in _TICKS], "ticktext": [f"{share * 100:g} %" for share in _TICKS]}
    x = axis("share of the requests", tickmode="array", **ticks)
    return {"data": traces, "layout": layout(xaxis=x, yaxis=axis("ms", rangemode="tozero"), shapes=_limits(runs))}


def quantiles(histogram: Mapping[float, int]) -> list[tuple[float, float]]:
    """Return (share, value): the share of the counts that are not above the value, without the last, which is all."""
    ordered = sorted(histogram.items())
    whole = sum(count for _, count in ordered)
    found = [
        (sum_so_far / whole, value)
        for (value, _), sum_so_far in zip(ordered, accumulate(count for _, count in ordered), strict=True)
        if sum_so_far < whole
    ]
    step = max(len(found) // _MOST_POINTS, 1)
    return found[::step] if len(found) <= _MOST_POINTS else [*found[:-_MOST_POINTS:step], *found[-_MOST_POINTS:]]


def _curves(run: RunDocument, name: str, colour: str) -> list[Trace]:
    traces = [_curve(name, quantiles(run.latency_ms.histogram), colour, "solid")]
    first, whole = run.first_byte_ms, run.latency_ms
    if first is not None and (first.p50 or 0.0) < _APART * (whole.p50 or 0.0):
        traces.append(_curve("first byte", quantiles(first.histogram), QUIET, "solid"))
    forecast = run.prediction.forecast if run.prediction else None
    if forecast is not None:
        traces.append({**_curve("predicted", predicted(forecast), colour, "dash"), "mode": "lines+markers"})
    return [trace for trace in traces if trace["x"]]


def predicted(forecast: Forecast) -> list[tuple[float, float]]:
    """Return the quantiles that a forecast has."""
    known = {
        0.5: forecast.latency_p50_ms,
        0.9: forecast.latency_p90_ms,
        0.95: forecast.latency_p95_ms,
        0.99: forecast.latency_p99_ms,
    }
    return [(share, value) for share, value in known.items() if value is not None]


def _curve(name: str, points: Sequence[tuple[float, float]], colour: str, dash: str) -> Trace:
    shares = [share for share, _ in points]
    values = [value for _, value in points]
    hover = f"{_HOVER}<extra>{name}</extra>"
    return line(name, [_across(share) for share in shares], values, colour, hover, dash, customdata=shares)


def _across(share: float) -> float:
    """Return where a share is drawn: as many steps to the right as there are tenths of tenths left."""
    return round(-math.log10(1 - share), 5)


def _limits(runs: Sequence[RunDocument]) -> list[dict[str, Any]]:
    texts = {run.objective.text for run in runs if run.objective is not None}
    objectives = [objective for text in sorted(texts) if (objective := parse_objective(text)) is not None]
    return [rule(bound.limit, bound.text) for objective in objectives for bound in objective.times]
