"""The one short name under which a run is shown everywhere. Pure."""

from datetime import UTC, datetime


def short_name(label: str, started_at: datetime, run_id: str) -> str:
    """Return the run's label, or else month, day and time in UTC with the end of its id: `11-20 23:36 f08e`."""
    return label or f"{started_at.astimezone(UTC):%m-%d %H:%M} {run_id[-4:]}"
