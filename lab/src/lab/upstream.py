"""Which upstream a run had, in words: its latency, its servers and their queue, the faults in force. Pure."""

from collections.abc import Mapping
from typing import Any

_CHARACTERS = 160
"""A list of faults may be 4096 characters long; the run document has them all."""


def capacity_words(settings: Mapping[str, Any]) -> str:
    """Return how many requests are worked on at once and how many may wait; empty if as many as come."""
    servers, places = settings.get("UPSTREAM_CAPACITY"), settings.get("UPSTREAM_QUEUE")
    if servers is None:
        return ""
    waiting = "any number may wait" if places is None else f"{places} may wait" if places else "none may wait"
    return f"{servers}, {waiting}"


def fault_words(settings: Mapping[str, Any]) -> str:
    """Return the faults in force, shortened if they are many; empty if there are none."""
    faults, rate = str(settings.get("UPSTREAM_FAULT") or ""), settings.get("UPSTREAM_FAULT_RATE")
    if not faults:
        return ""
    shown = faults if len(faults) <= _CHARACTERS else f"{faults[:_CHARACTERS]} ..."
    return shown + (f", rate {rate:g} where none is given" if isinstance(rate, int | float) and rate != 1 else "")


def upstream_words(settings: Mapping[str, Any] | None) -> str:
    """Return the upstream in a line; empty if it is only its latency, which needs no explanation, or silent."""
    known = settings or {}
    faults = fault_words(known)
    servers = capacity_words(known)
    more = [f"at once {servers}" if servers else "", f"faults: {faults}" if faults else ""]
    return ", ".join([str(known.get("UPSTREAM_LATENCY")), *filter(None, more)]) if any(more) else ""
