"""Figures as Plotly reads them: plain dicts of `data` and `layout`. The page that shows them has the themes."""

from collections.abc import Mapping, Sequence
from typing import Any

Trace = dict[str, Any]
Figure = Mapping[str, Any]
"""`data` and `layout`, as Plotly's documentation has them, without colours of ink, paper and grid."""

SERIES = ("#2d74e8", "#be8c05", "#198e53", "#cb4d8c", "#a057d5", "#e36606", "#0993af", "#777c86")
"""One each for what is drawn side by side and is no place of a request; each to be seen on white and on black."""

GOOD, BAD, QUIET = "#2d74e8", "#e36606", "#8f939a"
"""Blue and orange: told apart without red and green."""


def line(
    name: str, x: Sequence[float], y: Sequence[float | None], colour: str, hover: str, dash: str = "solid", **more: Any
) -> Trace:
    """Return a line; `hover` is a template with %{x} and %{y}."""
    style = {"color": colour, "dash": dash, "width": 2}
    values = {"x": list(x), "y": list(y)}
    return {"type": "scatter", "mode": "lines", "name": name, **values, "line": style, "hovertemplate": hover, **more}


def axis(title: str, **more: Any) -> dict[str, Any]:
    return {"title": {"text": title}, "automargin": True, **more}


def layout(**more: Any) -> dict[str, Any]:
    """Return what all figures have in common, and more."""
    legend = {"orientation": "h", "y": -0.2, "traceorder": "normal"}
    common = {"height": 420, "margin": {"t": 40, "r": 20}, "hoverlabel": {"align": "left"}, "shapes": []}
    return {"legend": legend, **common, **more}


def rule(y: float, text: str = "") -> dict[str, Any]:
    """Return a dotted line across a figure, such as a limit."""
    label = {"text": text, "textposition": "end"}
    across = {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": y,
        "y1": y,
        "line": {"dash": "dot", "color": QUIET},
    }
    return {**across, "label": label} if text else across


def band(low: float, high: float, colour: str, text: str = "") -> dict[str, Any]:
    """Return a range of x over the whole height; a line where it is one value."""
    across = {"xref": "x", "yref": "paper", "y0": 0, "y1": 1, "x0": low, "x1": high}
    if low == high:
        return {"type": "line", "line": {"color": colour, "width": 1}, **across}
    label = {"label": {"text": text, "textposition": "top left", "yanchor": "bottom"}} if text else {}
    fill = {"type": "rect", "fillcolor": colour, "opacity": 0.15, "line": {"width": 0}, "layer": "below"}
    return {**fill, **across, **label}
