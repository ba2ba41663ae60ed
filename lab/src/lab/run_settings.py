"""The settings of a run: which of them explain it, which differ between its two ends, how a time is written. Pure."""

import re
from urllib.parse import urlsplit

from pydantic import JsonValue

from lab.run_document import PartSettings, SettingsAtEnds
from lab.wire.service import VariableValues

OWN_TO_EACH_RUN = frozenset(
    {"LAB_RUN_ID", "LAB_RUN_LABEL", "LAB_RUN_GROUP", "LAB_PROGRESS", "LAB_RUNS_DIR", "LOCUST_HEADLESS"}
)
"""Settings that differ between any two runs and explain nothing."""

_WIRING = re.compile(r"_(?:HOST|PORT|CONTROL_URL|CA_FILE|ADMIN)$")
_TIMESPAN = re.compile(r"(?=.)(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s?)?")
_OWN_HOSTS = frozenset({"127.0.0.1", "localhost", "::1", "upstream-mock", "proxy"})


def parts_of(settings: PartSettings) -> tuple[VariableValues | None, ...]:
    return settings.load, settings.proxy, settings.network, settings.upstream


def variables_of(settings: PartSettings) -> VariableValues:
    """Return the variables of all parts that answered."""
    return {name: value for part in parts_of(settings) for name, value in (part or {}).items()}


def changes(settings: SettingsAtEnds) -> dict[str, tuple[JsonValue, JsonValue]]:
    """Return each variable that differs, with its values at both ends; none of a part that was silent at one end."""
    return {
        name: (start.get(name), end.get(name))
        for start, end in zip(parts_of(settings.start), parts_of(settings.end), strict=True)
        if start is not None and end is not None
        for name in sorted(start | end)
        if start.get(name) != end.get(name)
    }


def is_wiring(variable: str) -> bool:
    """Whether it is where a part listens: other in Compose than as processes, and no cause of anything."""
    return _WIRING.search(variable) is not None


def is_own_address(url: JsonValue) -> bool:
    """Whether a URL leads to the sandbox's own services, whichever port or alias they have."""
    return isinstance(url, str) and urlsplit(url).hostname in _OWN_HOSTS


def timespan_seconds(timespan: str) -> int:
    """Return the seconds in one of Locust's timespans (20, 20s, 3m, 1h20m); raise ValueError for anything else."""
    match = _TIMESPAN.fullmatch(timespan)
    if match is None:
        raise ValueError("not a time")
    hours, minutes, rest = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + rest
