"""The live page's figures: the seconds of a run that is under way, each figure as Plotly reads it.

A figure of a few points has the same lines as one of many, but for those with nothing to show: a page appends the
points of a line by its name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.account.places import PLACES, Owner, Place
from lab.figures.chart import BAD, QUIET, SERIES, Figure, Trace, axis, layout, line
from lab.figures.places import COLOURS, label
from lab.live_point import LivePoint

_AT = "<br>at %{x:.0f} s"

OWNER_COLOURS: Mapping[Owner | None, str] = {
    None: BAD,
    "proxy": COLOURS[Place.EVENT_LOOP],
    "upstream": COLOURS[Place.UPSTREAM_WORK],
    "network": COLOURS[Place.CONNECT],
    "client_library": COLOURS[Place.LOSS],
    "load": COLOURS[Place.CALLER_SIDE],
    "machine": COLOURS[Place.PROXY_CPU],
}
_PARTS = {
    "proxy": (COLOURS[Place.PROXY_CPU], "solid", "by the proxy; each of its processes has one core at most"),
    "upstream": (COLOURS[Place.UPSTREAM_WORK], "solid", "by the mock upstream"),
    "link": (COLOURS[Place.CONNECT], "solid", "by the emulated network"),
    "generator": (COLOURS[Place.CALLER_SIDE], "solid", "by Locust, which makes the load"),
    "machine": (QUIET, "dash", "by all processes of the machine"),
}

_LEAST_SHARE = 0.01
"""A place that never has as much of the time is left out."""

Value = Callable[[LivePoint], float | None]


@dataclass(frozen=True)
class LiveFigure:
    """A figure, what it is called, and a sentence on how it is read."""

    name: str
    title: str
    reading: str
    figure: Figure


def live_figures(points: Sequence[LivePoint]) -> list[LiveFigure]:
    """Return all figures of these points."""
    return [
        LiveFigure(
            "pool", "Connections and waiting", "Over each second; requests wait while all are busy.", _pool(points)
        ),
        LiveFigure(
            "phases", "Where the time goes", "The mean request of each second, by what it waited for.", _phases(points)
        ),
        LiveFigure("rate", "Throughput and errors", "Errors by whose they are.", _rate(points)),
        LiveFigure("latency", "Response time", "As the users saw it.", _latency(points)),
        LiveFigure("cpu", "CPU", "One Python process has one core at most.", _cpu(points)),
        LiveFigure(
            "loop",
            "Event loop and threads",
            "How late the proxy's loop runs; the threads of `def` endpoints.",
            _loop(points),
        ),
    ]


def _line(points: Sequence[LivePoint], name: str, colour: str, meaning: str, value: Value, **more: Any) -> Trace:
    hover = f"<b>%{{y:.4~g}}</b> {meaning}{_AT}<extra>{name}</extra>"
    return line(name, [point.t_seconds for point in points], [value(point) for point in points], colour, hover, **more)


def _figure(traces: Sequence[Trace], unit: str, **more: Any) -> Figure:
    """Return the lines that have anything to show."""
    axes = {"xaxis": axis("", ticksuffix=" s"), "yaxis": axis(unit, rangemode="tozero")}
    ranked = [{**trace, "legendrank": rank} for rank, trace in enumerate(traces, start=1)]
    shown = [trace for trace in ranked if any(y is not None for y in trace["y"])]
    return {"data": shown, "layout": layout(**axes, **more)}


def _pool(points: Sequence[LivePoint]) -> Figure:
    work, connect = COLOURS[Place.UPSTREAM_WORK], COLOURS[Place.CONNECT]
    stack = {"stackgroup": "connections"}
    return _figure(
        [
            _line(points, "busy", work, "connections busy with a request", lambda one: one.busy, **stack),
            _line(points, "connecting", connect, "connections being opened", lambda one: one.connecting, **stack),
            _line(points, "idle", QUIET, "connections open and idle", lambda one: one.idle, **stack),
            _line(
                points, "waiting", COLOURS[Place.POOL_WAIT], "requests wait for a connection", lambda one: one.waiting
            ),
            _line(points, "max", SERIES[7], "connections are allowed", lambda one: one.max_connections, dash="dot"),
        ],
        "count",
    )


def _phases(points: Sequence[LivePoint]) -> Figure:
    traces = [
        _line(points, label(place), COLOURS[place], f"ms {PLACES[place].meaning}", _spent(place), stackgroup="places")
        for place in PLACES
        if any(0 < _LEAST_SHARE * sum(point.places_ms.values()) <= point.places_ms.get(place, 0.0) for point in points)
    ]
    return _figure(traces, "ms")


def _spent(place: Place) -> Value:
    return lambda point: point.places_ms.get(place)


def _rate(points: Sequence[LivePoint]) -> Figure:
    failed = [
        _line(
            points,
            "failed" if owner is None else f"failed: {_name(owner)}",
            colour,
            "requests a second failed" + ("" if owner is None else f", the {_name(owner)}'s"),
            _failed(owner),
            dash="dash",
        )
        for owner, colour in OWNER_COLOURS.items()
        if any(point.failed_rps.get(owner) for point in points)
    ]
    succeeded = _line(points, "succeeded", SERIES[0], "requests a second succeeded", lambda one: one.succeeded_rps)
    return _figure([succeeded, *failed], "requests/s")


def _failed(owner: Owner | None) -> Value:
    return lambda point: point.failed_rps.get(owner, 0.0)


def _name(owner: Owner) -> str:
    return owner.replace("_", " ")


def _latency(points: Sequence[LivePoint]) -> Figure:
    return _figure(
        [
            _line(points, "p99", SERIES[4], "ms: one of a hundred took longer", lambda one: one.p99_ms),
            _line(points, "first byte", QUIET, "ms to the first byte, by the median", lambda one: one.first_byte_ms),
            _line(points, "p50", SERIES[6], "ms: half of the requests took longer", lambda one: one.p50_ms),
        ],
        "ms",
    )


def _cpu(points: Sequence[LivePoint]) -> Figure:
    def used(part: str) -> Value:
        return lambda point: point.cores.get(part)

    traces = [
        _line(points, part, colour, f"cores used {meaning}", used(part), dash=dash)
        for part, (colour, dash, meaning) in _PARTS.items()
    ]
    cores = _line(points, "cores there are", SERIES[7], "cores are there", lambda one: one.machine_cores, dash="dot")
    return _figure([*traces, cores], "cores")


def _loop(points: Sequence[LivePoint]) -> Figure:
    right = {"yaxis": "y2"}
    threads = any(point.threads_busy or point.threads_waiting for point in points)
    wait = COLOURS[Place.THREAD_WAIT]
    traces = [
        _line(
            points,
            "loop lag p99",
            COLOURS[Place.EVENT_LOOP],
            "ms late was the proxy's event loop",
            lambda one: one.loop_lag_ms,
        ),
        *[
            _line(
                points,
                "threads busy",
                COLOURS[Place.PROXY_CPU],
                "threads at work",
                lambda one: one.threads_busy,
                **right,
            ),
            _line(points, "calls waiting", wait, "calls wait for a thread", lambda one: one.threads_waiting, **right),
            _line(
                points,
                "threads",
                SERIES[7],
                "threads are allowed",
                lambda one: one.threads_allowed,
                dash="dot",
                **right,
            ),
        ][: 3 if threads else 0],
    ]
    return _figure(
        traces,
        "ms late",
        yaxis2=axis("threads", overlaying="y", side="right", rangemode="tozero", tickmode="auto", showgrid=False),
    )
