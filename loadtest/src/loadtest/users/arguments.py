"""What reads the arguments of several kinds of users. Each raises ValueError, in words for the user."""

import re

_BYTES = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(B|kB|MB)")
_UNITS = {"B": 1, "kB": 1000, "MB": 1_000_000}
_MOST_BYTES = 100_000_000


def parse_bytes(text: str) -> int:
    """Return a size, from `500B`, `10kB` or `1.5MB`."""
    match = _BYTES.fullmatch(text)
    size = int(float(match[1]) * _UNITS[match[2]]) if match else -1
    if not 0 <= size <= _MOST_BYTES:
        raise ValueError(f"{text!r} is not a size up to 100MB (a number and B, kB or MB)")
    return size


def parse_byte_rate(text: str) -> int:
    """Return bytes per second, from `100kB/s`."""
    size, per_second, rest = text.partition("/s")
    if not per_second or rest or not (rate := parse_bytes(size.strip())):
        raise ValueError(f"{text!r} is not a rate of bytes, such as 100kB/s")
    return rate


def parse_share(text: str) -> float:
    """Return a share, from a number above 0 and up to 1."""
    if not re.fullmatch(r"[0-9]*\.?[0-9]+", text) or not 0 < float(text) <= 1:
        raise ValueError(f"{text!r} is not a share (a number above 0 and up to 1)")
    return float(text)
