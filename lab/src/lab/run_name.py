"""How a run is named: the id that is made for it, the label that it is given, and what of them is shown."""

import secrets
from datetime import UTC, datetime
from typing import Annotated

from pydantic import StringConstraints, TypeAdapter, ValidationError

RUN_ID = r"[0-9A-Za-z][0-9A-Za-z_.-]{0,63}"
"""What an id looks like; it is the name of a file, too."""

LONGEST_LABEL = 60
LABEL_RULE = f"up to {LONGEST_LABEL} characters on one line"
RunLabel = Annotated[str, StringConstraints(strip_whitespace=True, pattern=rf"^[^\x00-\x1f\x7f]{{0,{LONGEST_LABEL}}}$")]
"""A label as it may be given, by an option, a variable or a form; documents on disk are not held to it."""

_LABEL: TypeAdapter[str] = TypeAdapter(RunLabel)


def new_run_id(now: datetime) -> str:
    """Return an id that sorts by time and does not collide within a second: 20261120T221530Z-3fa9."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def is_label(text: str) -> bool:
    """Whether a run may be given that label."""
    try:
        _LABEL.validate_python(text)
    except ValidationError:
        return False
    return True


def run_name(label: str, started_at: datetime, run_id: str) -> str:
    """Return the run's label, or else month, day and time in UTC with the end of its id: `11-20 23:36 f08e`."""
    return label or f"{started_at.astimezone(UTC):%m-%d %H:%M} {run_id[-4:]}"


def group_words(group: str) -> str:
    """Return what the runs of one group have in common, by the end of its id; empty for a run on its own."""
    return f"group {group[-4:]}" if group else ""
