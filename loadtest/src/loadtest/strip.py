"""What the strip on Locust's page says: settings in force, parts that are silent, the last verdict. Pure."""

from collections.abc import Mapping
from typing import Any

from lab.network import engine_words
from lab.run_document import PartSettings, RunDocument
from loadtest.names import short_name

_WORDS: list[tuple[str, str, str]] = [
    ("max connections", "proxy", "PROXY_MAX_CONNECTIONS"),
    ("keep-alive", "proxy", "PROXY_MAX_KEEPALIVE_CONNECTIONS"),
    ("client", "proxy", "PROXY_CLIENT"),
    ("upstream", "upstream", "UPSTREAM_LATENCY"),
    ("network", "network", "NET_PROFILE"),
    ("users", "load", "LOCUST_USERS"),
]
"""Title, part and variable of each setting that is always in sight."""

_PARTS = {"proxy": ("proxy", "proxy"), "upstream": ("mock upstream", "upstream-mock"), "network": ("link", "link")}
"""What each part of the settings is called, and its service in Compose."""

_KINDS_SHOWN = 3

_NETWORK_DETAIL = {"NET_RTT_MS": "RTT {} ms", "NET_LOSS_PCT": "{} % loss", "NET_BW_DOWN_MBIT": "{} Mbit/s down"}


def settings_words(
    settings: PartSettings, before: PartSettings | None = None, network: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return title, variable and value of the settings in sight; `was` is the value `before`, where it differs.

    Of the network, what the link answered at `/-/config` says by which engine it is made and what that measured.

    Parts that do not answer are left out: `silent_words` names them.
    """
    words = []
    for title, part, variable in _WORDS:
        value = _value(getattr(settings, part), variable)
        if value is None:
            continue
        was = None if before is None else _value(getattr(before, part), variable)
        words.append(
            {
                "title": title,
                "variable": variable,
                "value": value + (_made_by(network) if variable == "NET_PROFILE" else ""),
                "was": was if was != value else None,
            }
        )
    return words


def _made_by(network: Mapping[str, Any] | None) -> str:
    words = engine_words(network or {})
    return f" ({words})" if words else ""


def silent_words(settings: PartSettings, urls: Mapping[str, str]) -> list[str]:
    """Return a sentence for each part that does not answer; `urls` maps a part to where it was asked."""
    return [
        f"the {name} does not answer at {urls[part]}: see `docker compose logs {service}`"
        for part, (name, service) in _PARTS.items()
        if getattr(settings, part) is None
    ]


def failed_words(document: RunDocument) -> str:
    """Return how many requests failed and of what, the most frequent first; empty if none did."""
    totals = document.totals
    if not totals.failures:
        return ""
    kinds = sorted(document.errors.items(), key=lambda kind: -kind[1])
    words = ", ".join(f"{name} {count}" for name, count in kinds[:_KINDS_SHOWN])
    more = f" and {len(kinds) - _KINDS_SHOWN} more" if len(kinds) > _KINDS_SHOWN else ""
    return f"{totals.failures} of {totals.requests} failed" + (f": {words}{more}" if words else "")


def network_words(settings: Mapping[str, Any] | None) -> str:
    """Return the network in a few words: its profile, and what of it was set by itself."""
    known = settings or {}
    details = [words.format(_plain(known[name])) for name, words in _NETWORK_DETAIL.items() if known.get(name)]
    return ", ".join([str(known.get("NET_PROFILE") or "unknown"), *details])


def last_words(document: RunDocument) -> dict[str, Any]:
    """Return what the strip says of a finished run."""
    failed = [check.says for check in document.audit.checks if check.difference]
    return {
        "id": document.id,
        "name": short_name(document.label, document.started_at, document.id),
        "status": document.status,
        "bottleneck": document.verdict.bottleneck,
        "because": document.verdict.because,
        "advice": document.verdict.advice,
        "requests": document.totals.requests,
        "failed": failed_words(document),
        "rps": document.totals.rps,
        "p50_ms": document.latency_ms.p50,
        "p99_ms": document.latency_ms.p99,
        "audit": _audit(failed, document.audit.unheard),
    }


def _audit(failed: list[str], unheard: list[str]) -> str:
    if failed:
        return "; ".join(failed)
    if unheard:
        return f"{' and '.join(unheard)} could not be asked for a count"
    return "every request accounted for"


def _value(settings: Mapping[str, Any] | None, variable: str) -> str | None:
    if settings is None:
        return None
    value = settings.get(variable)
    return network_words(settings) if variable == "NET_PROFILE" else _plain(value)


def _plain(value: Any) -> str:
    if value is None:
        return "unset"
    return f"{value:g}" if isinstance(value, float) else str(value)
