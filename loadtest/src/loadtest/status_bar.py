"""What the status bar on Locust's page shows: settings in force, services without an answer, the last verdict. Pure."""

from collections.abc import Mapping

from lab.audit import audit_words
from lab.emulation import Network
from lab.live_settings import differing_settings
from lab.run_document import PartSettings, RunDocument
from lab.run_name import run_name
from lab.wire.service import VariableValues
from lab.wording import (
    capacity_words,
    changed_words,
    engine_words,
    fault_words,
    injected_words,
    limit_label,
    network_words,
    value_text,
)
from loadtest.snapshot import Snapshot

_SHOWN: list[tuple[str, str, str]] = [
    ("max connections", "proxy", "PROXY_MAX_CONNECTIONS"),
    ("keep-alive", "proxy", "PROXY_MAX_KEEPALIVE_CONNECTIONS"),
    ("client", "proxy", "PROXY_CLIENT"),
    ("upstream", "upstream", "UPSTREAM_LATENCY"),
    ("at once", "upstream", "UPSTREAM_CAPACITY"),
    ("faults", "upstream", "UPSTREAM_FAULT"),
    ("network", "network", "NET_PROFILE"),
    ("users", "load", "LOCUST_USERS"),
]
"""Title, part and variable of each setting that is shown."""

_IN_WORDS = {"UPSTREAM_CAPACITY": capacity_words, "UPSTREAM_FAULT": fault_words}
"""Settings described by more than their own value; shown only where there is any, now or before."""

_SERVICES = (
    ("proxy", "proxy", "proxy", "proxy"),
    ("upstream", "upstream", "mock upstream", "upstream-mock"),
    ("network", "link", "link", "link"),
)
"""Part of the settings, the service behind it, its name in a sentence, and what Compose calls it."""

_KINDS_SHOWN = 3


def settings_words(
    settings: PartSettings,
    before: PartSettings | None = None,
    network: Network | None = None,
    before_network: Network | None = None,
) -> list[dict[str, str | None]]:
    """Return title, variable and value of the settings that are shown; `was` is the value `before`, where it differs.

    The network is shown as the link describes it; without that, by its settings alone. Services that do not answer are
    left out: `silent_words` names them.
    """
    words = []
    for title, part, variable in _SHOWN:
        value = _value(getattr(settings, part), variable, network)
        was = None if before is None else _value(getattr(before, part), variable, before_network)
        if value is None or not (value or was):
            continue
        engine = engine_words(network) if variable == "NET_PROFILE" and network else ""
        shown = (value or "none") + (f" ({engine})" if engine else "")
        changed = _what_was(was or "none", value) if was is not None and was != value else None
        words.append({"title": title, "variable": variable, "value": shown, "was": changed})
    return words


def differing_words(snapshot: Snapshot) -> list[dict[str, str]]:
    """Return variable, value and `was` of each setting of the services that is not as in .env: changed over HTTP."""
    return [
        {"variable": one.variable, "value": one.value or "unset", "was": one.started_with or "unset"}
        for config in snapshot.configs.values()
        for one in differing_settings(config)
    ]


def _what_was(was: str, value: str) -> str:
    """Return the former value; of a list of conditions only those that are no longer in force."""
    before, now = was.split(", "), value.split(", ")
    gone = [one for one in before if one not in now]
    return ", ".join(gone) or f"without {', '.join(one for one in now if one not in before)}"


def silent_words(settings: PartSettings, urls: Mapping[str, str], notes: Mapping[str, str] | None = None) -> list[str]:
    """Return a sentence for each service that does not answer; `urls` and `notes` are by service.

    `notes` are about answers that are not understood.
    """
    silent = {
        service: f"the {name} does not answer at {urls[service]}: see `docker compose logs {compose_service}`"
        for part, service, name, compose_service in _SERVICES
        if getattr(settings, part) is None
    }
    return list({**silent, **(notes or {})}.values())


def failed_words(document: RunDocument) -> str:
    """Return how many requests failed and of what, the most frequent first; empty if none did."""
    totals = document.totals
    if not totals.failures:
        return ""
    kinds = sorted(document.errors.items(), key=lambda kind: -kind[1])
    words = ", ".join(f"{name} {count}" for name, count in kinds[:_KINDS_SHOWN])
    more = f" and {len(kinds) - _KINDS_SHOWN} more" if len(kinds) > _KINDS_SHOWN else ""
    return f"{totals.failures} of {totals.requests} failed" + (f": {words}{more}" if words else "")


def last_words(document: RunDocument) -> dict[str, object]:
    """Return what the status bar shows of a finished run."""
    return {
        "id": document.id,
        "name": run_name(document.label, document.started_at, document.id),
        "status": document.status,
        "bottleneck": document.verdict.bottleneck,
        "limit": limit_label(document.verdict.bottleneck),
        "because": _because(document),
        "advice": document.verdict.advice.words,
        "requests": document.totals.requests,
        "failed": failed_words(document),
        "rps": document.totals.rps,
        "p50_ms": document.latency_ms.p50,
        "p99_ms": document.latency_ms.p99,
        "changed": changed_words(document.settings),
        "injected": injected_words(document.link, document.upstream),
        "audit": audit_words(document.audit),
        "notes": document.notes,
    }


def _because(document: RunDocument) -> str:
    """Return the verdict's reason without the failures, which the status bar shows in red anyway."""
    because, totals = document.verdict.because, document.totals
    if document.verdict.bottleneck == "failures":
        return because
    failures = f"{totals.failures} of {totals.requests} requests failed"
    return "; ".join(part for part in because.split("; ") if not part.startswith(failures)) or because


def _value(settings: VariableValues | None, variable: str, network: Network | None) -> str | None:
    """Return a setting in words; empty if there is nothing to show, None if its service does not answer."""
    if settings is None:
        return None
    if variable == "NET_PROFILE":
        return network.summary if network else network_words(settings)
    in_words = _IN_WORDS.get(variable)
    return in_words(settings) if in_words else value_text(settings.get(variable))
