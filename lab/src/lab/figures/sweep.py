"""The figures of a sweep: throughput and latency over a variable, measured and predicted."""

from collections.abc import Mapping, Sequence
from typing import Any

from lab.figures.chart import QUIET, SERIES, Figure, Trace, axis, band, layout, line, rule
from lab.objective import parse_objective
from lab.sweep.axes import cell_words
from lab.sweep.report import ReportedCell, SweepReport, others


def sweep_figures(report: SweepReport, variable: str | None) -> list[Figure]:
    """Return throughput and latency over a variable of numbers, or by cell where None is one of numbers."""
    if variable is None:
        names = [cell_words(tuple(cell.figures.settings.items())) for cell in report.cells]
        return [_throughput_bars(report.cells, names), _latency_bars(report.cells, names)]
    groups: dict[str, list[ReportedCell]] = {}
    for cell in report.cells:
        groups.setdefault(cell_words(tuple(others(cell.figures.settings, variable).items())), []).append(cell)
    rates: list[Trace] = []
    times: list[Trace] = []
    for number, (name, cells) in enumerate(groups.items()):
        colour = SERIES[number % len(SERIES)]
        knee = next((one.value for one in report.knees if cell_words(tuple(one.settings.items())) == name), None)
        measured = _measured_rates(cells, variable, name, colour)
        rates += [*_predicted_rates(report, name, colour), _with_knee(measured, knee)]
        times += [*_predicted_times(report, name, colour), *_measured_times(cells, variable, name, colour)]
    only = report.knees[0] if len(report.knees) == 1 else None
    knees = [band(float(only.low), float(only.high), QUIET, "the knee, 90 %")] if only else []
    return [
        {"data": rates, "layout": _axes("Throughput", variable, "requests per second", knees)},
        {"data": times, "layout": _axes("Latency", variable, "milliseconds", _limits(report.objective))},
    ]


def _with_knee(trace: Trace, value: str | None) -> Trace:
    """Return measured points with a large diamond at the knee."""
    if value is None:
        return trace
    at = [x == float(value) for x in trace["x"]]
    marks = {"symbol": ["diamond" if one else "circle" for one in at], "size": [15 if one else 9 for one in at]}
    texts = [f"{text}<br>the knee" if one else text for one, text in zip(at, trace["text"], strict=True)]
    return {**trace, "marker": {**trace["marker"], **marks}, "text": texts}


def _measured_rates(cells: Sequence[ReportedCell], variable: str, name: str, colour: str) -> Trace:
    above = [max(cell.throughput_high - cell.figures.throughput_rps, 0.0) for cell in cells]
    below = [max(cell.figures.throughput_rps - cell.throughput_low, 0.0) for cell in cells]
    rates = [cell.figures.throughput_rps for cell in cells]
    errors = {"type": "data", "symmetric": False, "array": above, "arrayminus": below}
    return {**_points(cells, variable, f"measured {name}".strip(), colour, rates), "error_y": errors}


def _measured_times(cells: Sequence[ReportedCell], variable: str, name: str, colour: str) -> list[Trace]:
    p99, p50 = ([getattr(cell.figures, each) for cell in cells] for each in ("p99_ms", "p50_ms"))
    open_markers = {"color": colour, "size": 8, "symbol": "circle-open"}
    return [
        _points(cells, variable, f"p99 {name}".strip(), colour, p99),
        {**_points(cells, variable, f"p50 {name}".strip(), colour, p50), "marker": open_markers},
    ]


def _points(
    cells: Sequence[ReportedCell], variable: str, name: str, colour: str, values: Sequence[float | None]
) -> Trace:
    texts = [f"{cell.figures.requests} requests, limited by {cell.figures.bottleneck}" for cell in cells]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [float(cell.figures.settings[variable]) for cell in cells],
        "y": list(values),
        "marker": {"color": colour, "size": 9},
        "text": texts,
        "hovertemplate": f"{variable}=%{{x}}<br>%{{y:.1f}}<br>%{{text}}",
    }


def _predicted_rates(report: SweepReport, name: str, colour: str) -> list[Trace]:
    return _line(report, name, colour, "predicted", "throughput_rps", "dash")


def _predicted_times(report: SweepReport, name: str, colour: str) -> list[Trace]:
    p99 = _line(report, name, colour, "predicted p99", "latency_p99_ms", "dash")
    return [*p99, *_line(report, name, colour, "predicted mean", "latency_mean_ms", "dot")]


def _line(report: SweepReport, name: str, colour: str, label: str, figure: str, dash: str) -> list[Trace]:
    points = report.curves.get(name, [])
    if not points:
        return []
    x, y = [point.value for point in points], [getattr(point.forecast, figure) for point in points]
    return [line(f"{label} {name}".strip(), x, y, colour, "%{x}: %{y:.1f}", dash)]


def _throughput_bars(cells: Sequence[ReportedCell], names: Sequence[str]) -> Figure:
    bars = [_bar(names, "measured", SERIES[0], [cell.figures.throughput_rps for cell in cells])]
    if all(cell.figures.forecast for cell in cells):
        expected = [cell.figures.forecast.throughput_rps for cell in cells if cell.figures.forecast]
        bars.append(_bar(names, "predicted", SERIES[-1], expected))
    return {"data": bars, "layout": _axes("Throughput", "", "requests per second", [])}


def _latency_bars(cells: Sequence[ReportedCell], names: Sequence[str]) -> Figure:
    p50, p99 = ([getattr(cell.figures, each) for cell in cells] for each in ("p50_ms", "p99_ms"))
    bars = [_bar(names, "p50", SERIES[0], p50), _bar(names, "p99", SERIES[1], p99)]
    return {"data": bars, "layout": _axes("Latency", "", "milliseconds", [])}


def _bar(names: Sequence[str], name: str, colour: str, values: Sequence[float | None]) -> Trace:
    return {"type": "bar", "name": name, "x": list(names), "y": list(values), "marker": {"color": colour}}


def _axes(title: str, x: str, y: str, shapes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    named = {"title": {"text": title}, "xaxis": axis(x), "yaxis": axis(y, rangemode="tozero")}
    return layout(**named, margin={"t": 50, "r": 20}, shapes=list(shapes))


def _limits(objective: str | None) -> list[dict[str, Any]]:
    parsed = parse_objective(objective or "")
    return [rule(one.limit, one.text) for one in (parsed.times if parsed else ())]
