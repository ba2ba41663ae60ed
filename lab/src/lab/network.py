"""Which network a run had, in words: what the link was set to, by which engine, and what it measured itself."""

from collections.abc import Mapping
from typing import Any

from lab.run_document import StandIn


def engine_words(network: Mapping[str, Any]) -> str:
    """Return the engine and its own measurement, of a link's `/-/config` or of a document's `network`; empty if off.

    A relay cannot delay connect(), so what is shown is a later request on a warm connection: one round trip in all.
    """
    engine = network.get("engine")
    if not isinstance(engine, str) or engine == "off":
        return ""
    measured = network.get("measured")
    found = measured.get("warm_request_ms") if isinstance(measured, Mapping) else None
    middle = found.get("p50") if isinstance(found, Mapping) else None
    return f"{engine}, {middle:.1f} ms measured" if isinstance(middle, int | float) else engine


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
