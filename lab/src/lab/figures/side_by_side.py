"""Runs side by side: what differs by more than its noise, where the time of each goes, and their seconds overlaid."""

import math
from collections.abc import Sequence

from lab.account.places import Place
from lab.comparison.columns import columns_of
from lab.comparison.compare import Comparison, Outcome
from lab.figures.chart import QUIET, SERIES, Figure, Trace, axis, layout, line
from lab.figures.run_series import lengths_seconds
from lab.figures.waterfall import LEAST_SHARE, place_bars
from lab.run_document import RunDocument
from lab.wording import run_names

_MOST = 4.0
"""An interval is drawn up to so many times the first run's figure."""


def run_colours(runs: Sequence[RunDocument]) -> list[str]:
    """Return the colour of each run: one for all of a column of the comparison."""
    columns = {run_id: number for number, column in enumerate(columns_of(runs)) for run_id in column.ids}
    return [SERIES[columns[run.id] % len(SERIES)] for run in runs]


def differences(comparison: Comparison) -> Figure:
    """Return each figure as a multiple of the first run's, with its interval; grey where it does not surely differ."""
    shown = [one for one in comparison.outcomes if one.values[0] and any(one.ratios[1:])]
    traces = [
        _ratios(comparison.runs[number], shown, number, SERIES[number % len(SERIES)])
        for number in range(1, len(comparison.runs))
    ]
    first = {"type": "line", "yref": "paper", "x0": 1, "x1": 1, "y0": 0, "y1": 1}
    return {
        "data": traces,
        "layout": layout(
            xaxis=axis(f"times that of {comparison.runs[0]}", rangemode="tozero"),
            yaxis=axis("", autorange="reversed"),
            shapes=[{**first, "line": {"dash": "dot", "color": QUIET}}],
        ),
    }


def time_of_each(runs: Sequence[RunDocument]) -> Figure:
    """Return a bar for each run: the time of its mean request, divided among the places."""
    known = [(run, run.attribution) for run in runs if run.attribution is not None]
    names = run_names([run for run, _ in known])
    shown = [place for place in Place if any(account.share(place) >= LEAST_SHARE for _, account in known)]
    traces = [place_bars(place, names, [account.mean_ms(place) for _, account in known]) for place in shown]
    return {
        "data": traces,
        "layout": layout(barmode="stack", xaxis=axis("ms of the mean request"), yaxis=axis("", autorange="reversed")),
    }


def overlaid(runs: Sequence[RunDocument]) -> Figure:
    """Return throughput and p99 of all runs over their steady seconds, from the moment when all users are there."""
    traces: list[Trace] = []
    for name, colour, run in zip(run_names(runs), run_colours(runs), runs, strict=True):
        begin = run.window.begin_seconds if run.window else 0.0
        end, seconds = run.window.end_seconds if run.window else math.inf, lengths_seconds(run.series)
        points = [point for point in run.series if begin < point.t_seconds <= end]
        t = [round(point.t_seconds - begin, 2) for point in points]
        rates = [(point.requests - point.failures) / seconds[point.t_seconds] for point in points]
        rate = line(name, t, rates, colour, f"<b>%{{y:.4g}}</b> succeeded in this second<extra>{name}</extra>")
        slow = line(
            name, t, [point.p99_ms for point in points], colour, f"<b>%{{y:.4g}} ms</b> p99<extra>{name}</extra>"
        )
        traces += [rate, {**slow, "yaxis": "y2", "showlegend": False}]
    return {
        "data": traces,
        "layout": layout(
            xaxis=axis("seconds since all users were there", anchor="y2"),
            yaxis=axis("requests/s", domain=[0.55, 1], rangemode="tozero"),
            yaxis2=axis("p99, ms", domain=[0, 0.45], rangemode="tozero"),
        ),
    }


def _ratios(name: str, outcomes: Sequence[Outcome], number: int, colour: str) -> Trace:
    shown = [one for one in outcomes if one.ratios[number] is not None]
    changes = [one.changes[number] if one.changes else None for one in shown]
    halves = [change.half_width if change else None for change in changes]
    spread = [
        min(half / abs(one.values[0] or 1.0), _MOST) if half is not None else 0.0
        for half, one in zip(halves, shown, strict=True)
    ]
    texts = [f"{_figure(one.values[0])} -> {_figure(one.values[number])} {one.unit}" for one in shown]
    sure = [bool(change and change.differs) for change in changes]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [one.ratios[number] for one in shown],
        "y": [one.name for one in shown],
        "error_x": {"type": "data", "array": spread, "color": QUIET, "thickness": 1},
        "marker": {"size": 10, "color": [colour if one else QUIET for one in sure]},
        "customdata": [
            [text, "" if one else "; within its noise, or not known"] for text, one in zip(texts, sure, strict=True)
        ],
        "hovertemplate": "<b>%{y}: %{x:.3g} times</b><br>%{customdata}<extra>" + name + "</extra>",
    }


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
