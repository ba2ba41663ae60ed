"""What was changed while a run was under way: its settings at the end against those at its beginning. Pure."""

from typing import Any

from lab.network import plain
from lab.run_document import PartSettings, SettingsAtEnds

PARTS = ("load", "proxy", "network", "upstream")


def changes(settings: SettingsAtEnds) -> dict[str, tuple[Any, Any]]:
    """Return each variable that differs, with its values at both ends; a part that was silent at one has none."""
    return {
        name: (start.get(name), end.get(name))
        for start, end in (_ends(settings, part) for part in PARTS)
        for name in sorted(start | end)
        if start.get(name) != end.get(name)
    }


def changed_words(settings: SettingsAtEnds) -> str:
    """Return the changes in one line, as `NET_RTT_MS 0 -> 80`; empty if there were none."""
    return ", ".join(f"{name} {plain(old)} -> {plain(new)}" for name, (old, new) in changes(settings).items())


def _ends(settings: SettingsAtEnds, part: str) -> tuple[dict[str, Any], dict[str, Any]]:
    start, end = _of(settings.start, part), _of(settings.end, part)
    return (start, end) if start is not None and end is not None else ({}, {})


def _of(settings: PartSettings, part: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = getattr(settings, part)
    return found
