"""Where the users' time went, one place after the other: in the mean and in the slowest 1 %, and of single requests."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

from lab.account.attribution import Attribution, PlaceTime
from lab.account.places import PLACES, Place
from lab.figures.chart import Figure, Trace, axis, layout
from lab.figures.places import COLOURS, label, place_of, sentence
from lab.run_document import SlowRequest

LEAST_SHARE = 0.002
"""A place with less of the mean and of the slowest is left out of the picture."""

_HELD_UP = 0.1
"""Share of a slow request's time from which on another place than the upstream's work is named for it."""

_WIDER = 1.15
"""Room for the figure beside the last bar."""

_ROW = 34
"""Height of a bar with what is around it, in pixels."""


def account_waterfall(account: Attribution) -> Figure:
    """Return the mean on the left and the slowest 1 % on the right, in the order in which a request comes by."""
    by_place = {one.place: one for one in account.places}
    places = [by_place[place] for place in PLACES if place in by_place]
    shown = [one for one in places if max(one.share, one.share_of_slowest) >= LEAST_SHARE]
    mean = _steps(shown, [one.ms.mean for one in shown], account.users_ms.mean, "")
    slowest = _steps(shown, [one.ms.slowest for one in shown], account.users_ms.slowest, "2")
    heads = [("mean", account.users_ms.mean, ""), ("slowest 1 %", account.users_ms.slowest, "2")]
    notes = [
        {"text": f"<b>{text}: {ms:.4g} ms</b>", "x": 0, "y": 1, "xref": f"x{axis_} domain", "yref": f"y{axis_} domain"}
        | {"xanchor": "left", "yanchor": "bottom", "showarrow": False}
        for text, ms, axis_ in heads
    ]
    height = 90 + max(len(shown), 5) * _ROW
    side_by_side = layout(
        height=height,
        xaxis=axis("ms", domain=[0, 0.46], range=[0, _WIDER * account.users_ms.mean]),
        xaxis2=axis("ms", domain=[0.54, 1], range=[0, _WIDER * account.users_ms.slowest], anchor="y2"),
        yaxis=axis("", autorange="reversed"),
        yaxis2=axis("", autorange="reversed", anchor="x2", showticklabels=False),
        annotations=notes,
        showlegend=False,
    )
    below = {
        "height": 2 * height,
        "xaxis": {"domain": [0, 1], "anchor": "y"},
        "xaxis2": {"domain": [0, 1]},
        "yaxis": {"domain": [0.58, 1]},
        "yaxis2": {"domain": [0, 0.42], "showticklabels": True},
    }
    return {"data": [mean, slowest], "layout": side_by_side, "narrow": below}


def slow_requests(requests: Sequence[SlowRequest]) -> Figure:
    """Return a bar for each request, the slowest first: its phases one after the other, and where it was held up."""
    names = [f"{number}. {one.total_ms:.4g} ms<br>{_longest(one)}" for number, one in enumerate(requests, start=1)]
    traces = []
    for place in Place:
        values = [_spent(one.phases_ms, place) for one in requests]
        if any(value >= LEAST_SHARE * one.total_ms for value, one in zip(values, requests, strict=True)):
            traces.append(place_bars(place, names, values))
    rows = layout(
        height=150 + len(requests) * (_ROW + 6),
        barmode="stack",
        xaxis=axis("ms since the request came in"),
        yaxis=axis("", autorange="reversed"),
    )
    return {"data": traces, "layout": rows}


def _longest(request: SlowRequest) -> str:
    """Name the place that a request was held up at for the longest; where it was worked on if there is none."""
    spent = [(_spent(request.phases_ms, place), place) for place in Place]
    held_up = [one for one in spent if PLACES[one[1]].kind != "work" and one[0] >= _HELD_UP * request.total_ms]
    ms, place = max(held_up or spent)
    return f"{label(place)} {ms / request.total_ms:.0%}" if ms else ""


def _steps(places: Sequence[PlaceTime], ms: Sequence[float], whole: float, axes: str) -> Trace:
    """Return a bar for each place that begins where the one before has ended; `axes` is the number of its two axes."""
    shares = [f"{one / whole:.1%}" if whole else "0 %" for one in ms]
    return {
        "type": "bar",
        "orientation": "h",
        "xaxis": f"x{axes}",
        "yaxis": f"y{axes}",
        "y": [label(one.place) for one in places],
        "x": [round(one, 3) for one in ms],
        "base": [round(one, 3) for one in [0.0, *accumulate(ms)][: len(ms)]],
        "marker": {"color": [COLOURS[one.place] for one in places]},
        "text": [f"{one:.3g} ms" if one else "" for one in ms],
        "textposition": "auto",
        "textangle": 0,
        "cliponaxis": False,
        "customdata": [
            [share, sentence(one.place), one.owner.replace("_", " ")] for share, one in zip(shares, places, strict=True)
        ],
        "hovertemplate": "<b>%{y}: %{x:.1f} ms</b>, %{customdata[0]}<br>%{customdata[1]}"
        "<br>the %{customdata[2]}'s<extra></extra>",
    }


def place_bars(place: Place, names: Sequence[str], values: Sequence[float]) -> Trace:
    """Return the milliseconds at a place, to be stacked, in a bar for each name."""
    return {
        "type": "bar",
        "orientation": "h",
        "name": label(place),
        "y": list(names),
        "x": [round(value, 3) for value in values],
        "marker": {"color": COLOURS[place]},
        "hovertemplate": f"<b>{label(place)}: %{{x:.1f}} ms</b><br>{sentence(place)}<extra></extra>",
    }


def _spent(phases_ms: Mapping[str, float], place: Place) -> float:
    return sum(ms for phase, ms in phases_ms.items() if place_of(phase) == place)
