"""The three witnesses of a run as a picture: what each counted, side by side, and whether it agrees."""

from collections.abc import Sequence

from lab.figures.chart import BAD, GOOD, QUIET, Figure, Trace, axis, layout
from lab.witnesses import Audit, AuditCheck


def audit_picture(audit: Audit) -> Figure:
    """Return two bars for each equation, its left and its right side; those that do not agree in another colour."""
    names = [check.name for check in audit.checks]
    colours = [BAD if check.difference else GOOD for check in audit.checks]
    left = _side("left side", names, [check.left for check in audit.checks], colours, audit.checks)
    right = _side("right side", names, [check.right for check in audit.checks], [QUIET] * len(names), audit.checks)
    return {
        "data": [left, right],
        "layout": layout(
            barmode="group",
            xaxis=axis("requests, or connections"),
            yaxis=axis("", autorange="reversed"),
            showlegend=False,
        ),
    }


def _side(
    name: str, names: Sequence[str], counts: Sequence[int], colours: Sequence[str], checks: Sequence[AuditCheck]
) -> Trace:
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "y": list(names),
        "x": list(counts),
        "text": [str(count) for count in counts],
        "marker": {"color": list(colours)},
        "customdata": [check.message for check in checks],
        "hovertemplate": "<b>%{y}</b><br>%{customdata}<extra></extra>",
    }
