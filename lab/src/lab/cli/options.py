"""The options of `run`: other words for variables of the load."""

import re

from lab.backends.errors import UsageMistake
from lab.backends.precedence import Variables

_LABEL = re.compile(r"[^\x00-\x1f\x7f]{0,60}")
"""The recorder's rule."""


def add_options(
    assignments: Variables, users: int | None, rate: float | None, time: str | None, label: str | None
) -> None:
    """Add the options to the assignments; raise UsageMistake for what is no good."""
    if time is not None and not (time and re.fullmatch(r"([0-9]+h)?([0-9]+m)?([0-9]+s?)?", time)):
        raise UsageMistake(f"--time {time!r}: not a duration, such as 20s, 2m or 1m30s")
    if label is not None and not _LABEL.fullmatch(label.strip()):
        raise UsageMistake(f"--label {label!r}: a label has up to 60 characters on one line")
    if rate is not None and not rate > 0:
        raise UsageMistake(f"--rate {rate:g}: must be more than 0")
    if users is not None and rate is None and "LOCUST_SPAWN_RATE" not in assignments:
        rate = users
    options = {
        "LOCUST_USERS": users,
        "LOCUST_SPAWN_RATE": None if rate is None else f"{rate:g}",
        "LOCUST_RUN_TIME": time,
        "LAB_RUN_LABEL": label,
    }
    for name, value in options.items():
        if value is not None and name in assignments:
            raise UsageMistake(f"{name}={assignments[name]}: given as an option too; take one of them")
        if value is not None:
            assignments[name] = str(value)
