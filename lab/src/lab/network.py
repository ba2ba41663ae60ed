"""Which network a run had, in words: what the link was set to, by which engine, and what it measured itself."""

from collections.abc import Mapping
from typing import Any

from lab.run_document import StandIn

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
    told = (network or {}).get("limits")
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
