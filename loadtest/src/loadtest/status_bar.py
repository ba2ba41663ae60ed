"""What the strip on Locust's page says: settings in force, parts that are silent, the last verdict. Pure."""

from collections.abc import Mapping
from typing import Any

from lab.run_document import PartSettings, RunDocument
from lab.wording import (
    capacity_words,
    changed_words,
    engine_words,
    fault_words,
    injected_words,
    network_words,
    plain,
    run_name,
)

_WORDS: list[tuple[str, str, str]] = [
    ("max connections", "proxy", "PROXY_MAX_CONNECTIONS"),
    ("keep-alive", "proxy", "PROXY_MAX_KEEPALIVE_CONNECTIONS"),
    ("client", "proxy", "PROXY_CLIENT"),
    ("upstream", "upstream", "UPSTREAM_LATENCY"),
    ("at once", "upstream", "UPSTREAM_CAPACITY"),
    ("faults", "upstream", "UPSTREAM_FAULT"),
    ("network", "network", "NET_PROFILE"),
    ("users", "load", "LOCUST_USERS"),
]
"""Title, part and variable of each setting that is in sight."""

_IN_WORDS = {"UPSTREAM_CAPACITY": capacity_words, "UPSTREAM_FAULT": fault_words}
"""What is told by more than its own value, and in sight only where there is any, now or before."""

_PARTS = {"proxy": ("proxy", "proxy"), "upstream": ("mock upstream", "upstream-mock"), "network": ("link", "link")}
"""What each part of the settings is called, and its service in Compose."""

_KINDS_SHOWN = 3


def settings_words(
    settings: PartSettings,
    before: PartSettings | None = None,
    network: Mapping[str, Any] | None = None,
    before_network: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Return title, variable and value of the settings in sight; `was` is the value `before`, where it differs.

    Of the network, what the link answered at `/-/config`, `network`, says of its conditions, by which engine they are
    made and what that measured; without it, its settings alone.

    Parts that do not answer are left out: `silent_words` names them.
    """
    words = []
    for title, part, variable in _WORDS:
        value = _value(getattr(settings, part), variable, network)
        was = None if before is None else _value(getattr(before, part), variable, before_network)
        if value is None or not (value or was):
            continue
        made = _made_by(network) if variable == "NET_PROFILE" else ""
        changed = was is not None and was != value
        shown = {"title": title, "variable": variable, "value": (value or "none") + made}
        words.append({**shown, "was": _what_was(was or "none", value) if changed else None})
    return words


def _what_was(was: str, value: str) -> str:
    """Return what it was, of a list of conditions only those that are so no more."""
    before, now = was.split(", "), value.split(", ")
    gone = [one for one in before if one not in now]
    return ", ".join(gone) or f"without {', '.join(one for one in now if one not in before)}"


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


def last_words(document: RunDocument) -> dict[str, Any]:
    """Return what the strip says of a finished run."""
    failed = [check.says for check in document.audit.checks if check.difference]
    return {
        "id": document.id,
        "name": run_name(document.label, document.started_at, document.id),
        "status": document.status,
        "bottleneck": document.verdict.bottleneck,
        "because": _because(document),
        "advice": document.verdict.advice,
        "requests": document.totals.requests,
        "failed": failed_words(document),
        "rps": document.totals.rps,
        "p50_ms": document.latency_ms.p50,
        "p99_ms": document.latency_ms.p99,
        "changed": changed_words(document.settings),
        "struck": injected_words(document.link, document.upstream),
        "audit": _audit(failed, document.audit.unheard),
    }


def _because(document: RunDocument) -> str:
    """Return the verdict's words without what the strip says in red anyway."""
    said, totals = document.verdict.because, document.totals
    if document.verdict.bottleneck == "failures":
        return said
    failures = f"{totals.failures} of {totals.requests} requests failed"
    return "; ".join(part for part in said.split("; ") if not part.startswith(failures)) or said


def _audit(failed: list[str], unheard: list[str]) -> str:
    if failed:
        return "; ".join(failed)
    if unheard:
        return f"{' and '.join(unheard)} could not be asked for a count"
    return "every request accounted for"


def _value(settings: Mapping[str, Any] | None, variable: str, network: Mapping[str, Any] | None = None) -> str | None:
    """Return a setting in words; empty if there is none to speak of, None if its part is silent."""
    if settings is None:
        return None
    if variable == "NET_PROFILE":
        return network_words({"settings": settings, **(network or {})})
    in_words = _IN_WORDS.get(variable)
    return in_words(settings) if in_words else plain(settings.get(variable))
