"""Text about a run: its name, network, upstream, injected faults and changed settings. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lab.run_document import PartSettings, SettingsAtEnds, StandIn


def run_name(label: str, started_at: datetime, run_id: str) -> str:
    """Return the run's label, or else month, day and time in UTC with the end of its id: `11-20 23:36 f08e`."""
    return label or f"{started_at.astimezone(UTC):%m-%d %H:%M} {run_id[-4:]}"


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


_CONDITIONS = {
    "rtt_ms": "RTT {} ms",
    "jitter_ms": "jitter {} ms",
    "loss_pct": "{} % loss",
    "bw_down_mbit": "{} Mbit/s down",
    "bw_up_mbit": "{} Mbit/s up",
    "idle_drop_seconds": "idle drop after {} s ({idle_drop_mode})",
    "reset_pct": "{} % reset",
    "partition": "partition {} ({partition_mode})",
    "accept_delay_ms": "accept delay {} ms",
}
"""The link's own names of its conditions; as variables they are upper case, after NET_."""


def network_words(config: Mapping[str, Any] | None) -> str:
    """Return the conditions in force in a few words, of a link's `/-/config`: the profile, and all it comes to."""
    settings = _mapping(config, "settings")
    known = _mapping(config, "configured") or {name.removeprefix("NET_").lower(): settings[name] for name in settings}
    modes = {name: known.get(name) or "?" for name in ("idle_drop_mode", "partition_mode")}
    words = [
        text.format(plain(known[name]), **modes)
        for name, text in _CONDITIONS.items()
        if known.get(name) and known[name] != "off"
    ]
    return ", ".join([str(settings.get("NET_PROFILE") or "unknown"), *words])


def engine_words(network: Mapping[str, Any]) -> str:
    """Return the engine and its own measurement, of a link's `/-/config` or of a document's `network`; empty if off.

    A relay cannot delay connect(), so what is shown is a later request on a warm connection: one round trip in all.
    """
    engine = network.get("engine")
    if not isinstance(engine, str) or engine == "off":
        return ""
    middle = measured_ms(network)
    return f"{engine}, {middle:.1f} ms measured" if middle is not None else engine


def measured_ms(network: Mapping[str, Any] | None) -> float | None:
    """Return the round trip the link measured of itself, by the median; None if it did not."""
    middle = _mapping(_mapping(network, "measured"), "warm_request_ms").get("p50")
    return float(middle) if isinstance(middle, int | float) else None


def caveats(network: Mapping[str, Any] | None) -> list[str]:
    """Return what the engine does otherwise than a real network, a sentence each."""
    told = (network or {}).get("caveats")
    return [str(sentence) for sentence in told] if isinstance(told, list) else []


def network_line(network: Mapping[str, Any] | None, link: StandIn | None) -> str | None:
    """Return the network of a run in one line; None if the link did not answer."""
    if network is None:
        return None
    says = str(network.get("says") or "unknown")
    words = engine_words(network)
    line = f"{says}, by {words}" if words else f"{says}, nothing emulated"
    late = link.lateness_ms if link else None
    if late is None or late.p50 is None or late.p99 is None:
        return line
    return f"{line}; lateness p50 {late.p50:.2f}, p99 {late.p99:.2f} ms"


def plain(value: Any) -> str:
    """Return a setting's value as somebody would write it."""
    if value is None:
        return "unset"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _mapping(of: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    value = (of or {}).get(name)
    return value if isinstance(value, Mapping) else {}


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


_INJECTED = {"idle": "idle drop"}


def injected_words(link: StandIn | None, mock: StandIn | None) -> str:
    """Return what was done to the run's requests, most frequent first; empty if nothing was."""
    parts = (("link", link), ("mock", mock))
    return "; ".join(f"{name}: {kinds}" for name, part in parts if (kinds := _kinds(part)))


def _kinds(part: StandIn | None) -> str:
    struck = (part.struck if part else None) or {}
    ordered = sorted(struck.items(), key=lambda kind: -kind[1])
    return ", ".join(f"{_INJECTED.get(name, name)} {count}" for name, count in ordered if count)
