"""Durations as users write them: a number and a unit, `100ms`, `1.5s`, `250us`."""

import re

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
LONGEST_SECONDS = 3600.0

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(us|ms|s)")


def parse_duration(text: str) -> float:
    """Seconds of `text`; ValueError, in words for the user, if it is no duration or longer than an hour."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text.strip()!r} is not a duration (a number and us, ms or s)")
    seconds = float(match[1]) * UNITS[match[2]]
    if seconds > LONGEST_SECONDS:
        raise ValueError(f"{text.strip()!r} is longer than {LONGEST_SECONDS:g}s")
    return seconds
