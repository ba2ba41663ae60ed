"""A run second by second, its steady part marked: throughput and failures, latency, the pool, the CPU."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from lab.account.places import Place
from lab.figures.chart import BAD, QUIET, SERIES, Figure, Trace, axis, band, layout, line, rule
from lab.figures.places import COLOURS
from lab.run_document import RunDocument, SeriesPoint

_ROWS = ("requests/s", "ms", "count", "cores")
_HEIGHT = 640
_GAP = 0.05
_AT = "<br>at %{x:.0f} s"

Value = Callable[[SeriesPoint], float | None]


def run_series(run: RunDocument) -> Figure:
    """Return four rows over the seconds of a run; without its first one, which is not whole."""
    points, seconds = list(run.series), lengths_seconds(run.series)
    t = [point.t_seconds for point in points]

    def row(number: int, name: str, colour: str, meaning: str, value: Value, dash: str = "solid") -> Trace:
        hover = f"<b>%{{y:.4g}}</b> {meaning}{_AT}<extra></extra>"
        y = [value(point) for point in points]
        return line(name, t, y, colour, hover, dash, yaxis=f"y{number}" if number > 1 else "y")

    def rate(value: Callable[[SeriesPoint], int]) -> Value:
        return lambda point: value(point) / seconds[point.t_seconds]

    traces = [
        row(1, "succeeded", SERIES[0], "requests a second succeeded", rate(lambda one: one.requests - one.failures)),
        row(1, "failed", BAD, "requests a second failed", rate(lambda one: one.failures), "dot"),
        row(2, "p99", SERIES[4], "ms: one of a hundred took longer", lambda one: one.p99_ms),
        row(2, "p50", SERIES[6], "ms: half of the requests took longer", lambda one: one.p50_ms),
        row(3, "waiting", COLOURS[Place.POOL_WAIT], "requests waited for a connection", lambda one: one.pool_waiting),
        row(3, "busy", COLOURS[Place.UPSTREAM_WORK], "connections were busy", lambda one: one.pool_active),
        row(4, "proxy CPU", COLOURS[Place.PROXY_CPU], "cores in the proxy", lambda one: one.proxy_cpu_cores),
    ]
    measured = [trace for trace in traces if any(value is not None for value in trace["y"])]
    return {"data": measured, "layout": layout(height=_HEIGHT, shapes=_shapes(run), **_axes())}


def lengths_seconds(points: Sequence[SeriesPoint]) -> dict[float, float]:
    """Return how long each second was, by its end."""
    return {end: max(end - start, 0.1) for start, end in pairwise([0.0, *(point.t_seconds for point in points)])}


def _shapes(run: RunDocument) -> list[dict[str, object]]:
    """Mark the steady part, and the pool's size."""
    shapes = []
    if run.window is not None and run.window.steady:
        shapes.append(band(run.window.begin_seconds, run.window.end_seconds, QUIET, "steady part"))
    if run.pool is not None:
        label = {"text": f"max {run.pool.max}", "textposition": "end", "yanchor": "top"}
        shapes.append({**rule(run.pool.max), "yref": "y3", "label": label})
    return shapes


def _axes() -> dict[str, object]:
    height = (1 - _GAP * (len(_ROWS) - 1)) / len(_ROWS)
    axes: dict[str, object] = {"xaxis": axis("seconds since the run's start", anchor=f"y{len(_ROWS)}")}
    for number, title in enumerate(_ROWS, start=1):
        top = 1 - (number - 1) * (height + _GAP)
        name = "yaxis" if number == 1 else f"yaxis{number}"
        axes[name] = axis(title, domain=[round(max(top - height, 0.0), 4), round(top, 4)], rangemode="tozero")
    return axes
