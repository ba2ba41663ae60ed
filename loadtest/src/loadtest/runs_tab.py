"""The columns and rows of the Runs tab in Locust's UI. Pure."""

from lab.store import RunSummary
from lab.wording import run_name

COLUMNS = (
    ("run", "Run"),
    ("users", "Users"),
    ("connections", "Pool max"),
    ("network", "Network"),
    ("rps", "RPS"),
    ("median", "p50 ms"),
    ("slowest", "p99 ms"),
    ("failures", "Failures"),
    ("verdict", "Limit"),
    ("because", "Because"),
    ("advice", "Advice"),
)
LIMITS = {
    "pool": "pool",
    "cpu": "CPU",
    "loop": "event loop",
    "failures": "requests failed",
    "upstream": "upstream",
    "link": "link",
    "none": "none",
}
EMPTY: dict[str, str | int | float] = {key: "no runs yet" if key == "run" else "" for key, _ in COLUMNS}
"""The only row before the first run."""


def row(summary: RunSummary) -> dict[str, str | int | float]:
    """Return a row of the Runs tab; no cell is named `name`, or Locust would sort by it."""
    note = "" if summary.status == "finished" else f" ({summary.status})"
    return {
        "run": run_name(summary.label, summary.started_at, summary.id) + note,
        "users": summary.users,
        "connections": _cell(summary.max_connections),
        "network": summary.network or "-",
        "rps": round(summary.rps, 1),
        "median": _cell(summary.p50_ms),
        "slowest": _cell(summary.p99_ms),
        "failures": summary.failures,
        "verdict": LIMITS.get(summary.bottleneck, summary.bottleneck),
        "because": summary.because + (f"; changed during the run: {summary.changed}" if summary.changed else ""),
        "advice": summary.advice,
    }


def _cell(value: float | None) -> str | int:
    return "-" if value is None else round(value)
