"""The three witnesses of a run as a picture: what each counted, one above the other, and whether they agree."""

from collections.abc import Sequence

from lab.audit import COMPLETED, RECEIVED, STARTED
from lab.figures.chart import BAD, GOOD, QUIET, Figure, Trace, axis, layout
from lab.run_document import RunDocument
from lab.witnesses import AuditCheck

_LOCUST, _PROXY, _UPSTREAM = "Locust", "proxy", "upstream"
_BETWEEN = ((0.5, (RECEIVED,)), (1.5, (STARTED, COMPLETED)))
"""Where a sign is put between two witnesses, in rows from the top, and the equations that it is of."""

_OUTCOMES = ("#2d74e8", "#8f939a", "#be8c05")
"""Of requests that were answered, that failed, and that were left."""


def audit_picture(run: RunDocument) -> Figure:
    """Return a bar for each witness, divided by what became of its requests, and between two whether they agree."""
    checks = {check.name: check for check in run.audit.checks}
    signs = [_sign(y, [checks[name] for name in names if name in checks]) for y, names in _BETWEEN]
    rows = layout(
        height=300,
        barmode="stack",
        xaxis=axis("requests", rangemode="tozero"),
        yaxis=axis("", categoryorder="array", categoryarray=[_LOCUST, _PROXY, _UPSTREAM], autorange="reversed"),
        annotations=[sign for sign in signs if sign],
        bargap=0.5,
        showlegend=False,
    )
    return {"data": _counts(run), "layout": rows}


def _counts(run: RunDocument) -> list[Trace]:
    seen = run.witnesses
    failed = seen.locust_failures
    parts: list[tuple[str, str, int, int]] = [
        (_LOCUST, "succeeded", seen.locust_requests - failed, 0),
        (_LOCUST, "failed", failed, 1),
    ]
    if seen.proxy is not None:
        parts += [
            (_PROXY, "answered", seen.proxy.answered, 0),
            (_PROXY, "failed", seen.proxy.failed, 1),
            (_PROXY, "aborted: the user was gone", seen.proxy.aborted, 2),
        ]
    if seen.upstream is not None:
        parts += [
            (_UPSTREAM, "completed", seen.upstream.completed, 0),
            (_UPSTREAM, "abandoned: the proxy was gone", seen.upstream.abandoned, 2),
        ]
    return [_bar(*part) for part in parts if part[2]]


def _bar(witness: str, outcome: str, count: int, colour: int) -> Trace:
    return {
        "type": "bar",
        "orientation": "h",
        "name": outcome,
        "y": [witness],
        "x": [count],
        "text": [f"{count} {outcome.partition(':')[0]}"],
        "textposition": "inside",
        "insidetextanchor": "start",
        "textangle": 0,
        "marker": {"color": _OUTCOMES[colour]},
        "hovertemplate": f"<b>{witness}: %{{x}}</b> {outcome}<extra></extra>",
    }


def _sign(y: float, checks: Sequence[AuditCheck]) -> dict[str, object]:
    """Return whether two witnesses agree, to be put between their bars; nothing where neither could be compared."""
    if not checks:
        return {}
    wrong = [check for check in checks if check.difference]
    text = f"\u2260  {abs(wrong[0].difference)} differ" if wrong else "=  agree"
    place = {"x": 0, "xref": "paper", "xanchor": "left", "xshift": 8, "y": y, "yref": "y", "showarrow": False}
    colour = BAD if wrong else GOOD
    return {"text": f"<b>{text}</b>", "hovertext": "; ".join(check.message for check in wrong), **place} | {
        "font": {"color": colour},
        "bordercolor": QUIET,
    }
