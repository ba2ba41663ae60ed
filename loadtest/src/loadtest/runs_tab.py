"""The columns and rows of the Runs tab in Locust's UI. Pure."""

from lab.store import RunSummary

COLUMNS = (
    ("run", "Run"),
    ("users", "Users"),
    ("connections", "Pool max"),
    ("rps", "RPS"),
    ("median", "p50 ms"),
    ("slowest", "p99 ms"),
    ("failures", "Failures"),
    ("verdict", "Limit"),
    ("because", "Because"),
)
LIMITS = {"pool": "pool", "cpu": "CPU", "loop": "event loop", "none": "none"}


def row(summary: RunSummary) -> dict[str, str | int | float]:
    """Return a row of the Runs tab; no cell is named `name`, or Locust would sort by it."""
    note = "" if summary.status == "finished" else f" ({summary.status})"
    return {
        "run": (summary.label or f"{summary.started_at:%H:%M:%S}") + note,
        "users": summary.users,
        "connections": _cell(summary.max_connections),
        "rps": round(summary.rps, 1),
        "median": _cell(summary.p50_ms),
        "slowest": _cell(summary.p99_ms),
        "failures": summary.failures,
        "verdict": LIMITS.get(summary.bottleneck, summary.bottleneck),
        "because": summary.because,
    }


def _cell(value: float | None) -> str | int:
    return "-" if value is None else round(value)
