"""Whether what stands for the network or the upstream kept up: a late stand-in measures itself. Pure."""

from typing import Literal

from lab.run_document import StandIn

LATE_MS = 2.0
LATE_SHARE = 0.05
"""Late is what left more than so many milliseconds after its time, and more than this share of what it stands for: for
the link of the round trip, for the mock of the users' latency outside the pool."""

NAMES: dict[str, str] = {"link": "the link", "upstream": "the mock upstream"}
ADVICE: dict[str, str] = {
    "link": "The emulated network lagged behind: times are longer than it is set to. Send less, or give it a core.",
    "upstream": "The mock lagged behind its own latency: times are longer than set. Send less, or give it a core.",
}

Part = Literal["link", "upstream"]


def late(part: Part, stand_in: StandIn | None, of_ms: float, quantile: Literal["p50", "p99"]) -> str | None:
    """Return in words that a part was late by that quantile of what left it; None if not, or if it does not tell."""
    lateness = stand_in.lateness_ms if stand_in else None
    if lateness is None:
        return None
    found = lateness.p50 if quantile == "p50" else lateness.p99
    allowed = max(LATE_MS, LATE_SHARE * of_ms)
    if found is None or found <= allowed:
        return None
    return f"{NAMES[part]} was late: {quantile} {found:.1f} ms, where {allowed:.1f} ms would do"
