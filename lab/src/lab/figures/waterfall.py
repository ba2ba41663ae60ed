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


def account_waterfall(account: Attribution) -> Figure:
    """Return the mean on the left and the slowest 1 % on the right, in the order in which a request comes by."""
    by_place = {one.place: one for one in account.places}
    places = [by_place[place] for place in PLACES if place in by_place]
    shown = [one for one in places if max(one.share, one.share_of_slowest) >= LEAST_SHARE]
    mean = _steps(shown, [one.ms.mean for one in shown], account.users_ms.mean, "x")
    slowest = _steps(shown, [one.ms.slowest for one in shown], account.users_ms.slowest, "x2")
    heads = [("mean", account.users_ms.mean, 0.0), ("slowest 1 %", account.users_ms.slowest, 0.54)]
    notes = [
        {"text": f"{text}: {ms:.4g} ms", "x": x, "y": 1.0, "xref": "paper", "yref": "paper", "yanchor": "bottom"}
        | {"xanchor": "left", "showarrow": False}
        for text, ms, x in heads
    ]
    return {
        "data": [mean, slowest],
        "layout": layout(
            xaxis=axis("ms", domain=[0, 0.46], rangemode="tozero"),
            xaxis2=axis("ms", domain=[0.54, 1], rangemode="tozero", anchor="y"),
            yaxis=axis("", autorange="reversed"),
            annotations=notes,
            showlegend=False,
        ),
    }


def slow_requests(requests: Sequence[SlowRequest]) -> Figure:
    """Return a bar for each request, the slowest first, divided by the ledger's phases."""
    names = [f"{number}. {one.total_ms:.4g} ms" for number, one in enumerate(requests, start=1)]
    traces = []
    for place in Place:
        values = [_spent(one.phases_ms, place) for one in requests]
        if any(value >= LEAST_SHARE * one.total_ms for value, one in zip(values, requests, strict=True)):
            traces.append(place_bars(place, names, values))
    return {
        "data": traces,
        "layout": layout(barmode="stack", xaxis=axis("ms"), yaxis=axis("", autorange="reversed")),
    }


def _steps(places: Sequence[PlaceTime], ms: Sequence[float], whole: float, x: str) -> Trace:
    """Return a bar for each place that begins where the one before has ended."""
    shares = [f"{one / whole:.1%}" if whole else "0 %" for one in ms]
    return {
        "type": "bar",
        "orientation": "h",
        "xaxis": x,
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
