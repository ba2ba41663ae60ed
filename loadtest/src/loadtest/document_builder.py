"""From what was observed to the run document: pure assembly, no clock, no network, no disk.

The window runs from the first request sent to the last answer received. A closed loop is full all that time: users
start at once, and after the stop each only finishes the request it has in hand. So throughput, and the time averages
that divide by the window, are those of the loop at work; with a slow ramp-up the ramp is part of them.
"""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any, Literal

from lab.audit import audit
from lab.evidence import Evidence
from lab.run_document import (
    Generator,
    PartSettings,
    RunDocument,
    SeriesPoint,
    SettingsAtEnds,
    Totals,
    Witnesses,
)
from lab.verdict import judge
from lab.wording import network_words
from loadtest import counter_deltas, stand_in
from loadtest.locust_stats import Counts
from loadtest.phases import Phases, ledger_of, phases_ms
from loadtest.service_snapshots import Answer, Snapshot

NETWORK_KEYS = ("engine", "because", "says", "configured", "measured", "caveats")


@dataclass(frozen=True)
class Observation:
    """All that was seen of one run. `window_seconds` as in the module's text; snapshots from before and after it."""

    run_id: str
    mode: Literal["ui", "headless"]
    status: Literal["finished", "interrupted", "reset"]
    started_at: datetime
    window_seconds: float
    users: int
    load_settings: Mapping[str, Any]
    counts: Counts
    before: Snapshot
    after: Snapshot
    generator: Generator
    ledger_entries: Sequence[Answer] | None = None
    ledger_dropped: int = 0
    label: str = ""
    series: Sequence[SeriesPoint] = field(default_factory=list)


def document(seen: Observation) -> RunDocument:
    """Assemble the run document: counts, differences of counters, audit and verdict."""
    counts, window = seen.counts, seen.window_seconds
    totals = Totals(requests=counts.requests, failures=counts.failures, rps=rate(counts.requests, window))
    pool = counter_deltas.pool_figures(seen.before, seen.after, window)
    generator = seen.generator.model_copy(update={"achieved_rps": totals.rps})
    cores = counter_deltas.cpu_cores(seen.before, seen.after, generator.cpu_cores)
    witnesses = witnesses_of(seen)
    link = stand_in.link(seen.before, seen.after, cores["link"])
    mock = stand_in.upstream(seen.before, seen.after, cores["upstream"])
    ledger, slowest = ledger_of(seen.ledger_entries or [], seen.ledger_dropped, seen.run_id)
    phases = phases_ms(seen.before, seen.after, slowest)
    return RunDocument(
        id=seen.run_id,
        label=seen.label,
        mode=seen.mode,
        processes=generator.processes,
        status=seen.status,
        started_at=seen.started_at,
        stopped_at=seen.started_at + timedelta(seconds=window),
        window_seconds=round(window, 3),
        users=seen.users,
        settings=settings_at_ends(seen),
        versions=versions(seen.after, seen.before),
        totals=totals,
        latency_ms=counts.latency(),
        errors=dict(sorted(counts.errors.items(), key=lambda error: -error[1])),
        phases_ms=phases,
        ledger=ledger if seen.ledger_entries is not None else None,
        pool=pool,
        cpu_cores=cores,
        witnesses=witnesses,
        audit=audit(witnesses),
        generator=generator,
        network=network(seen.before.network_config or seen.after.network_config),
        link=link,
        upstream=mock,
        verdict=judge(
            Evidence(
                totals=totals,
                latency_ms=counts.latency(),
                pool=pool,
                cpu_cores=cores,
                generator=generator,
                users=seen.users,
                workers=counter_deltas.proxy_workers(seen.after),
                errors=counts.errors,
                in_proxy_ms=_in_proxy_ms(phases),
                upstream_queue_ms=counter_deltas.upstream_queue_ms(seen.before, seen.after),
                upstream_servers=counter_deltas.upstream_servers(seen.after),
                upstream_places=counter_deltas.upstream_places(seen.after),
                link=link,
                mock=mock,
                rtt_ms=stand_in.rtt_ms(seen.after),
            )
        ),
        series=list(seen.series),
    )


def _in_proxy_ms(phases: Phases | None) -> float | None:
    total = (phases or {}).get("total")
    return None if total is None else total.mean


def witnesses_of(seen: Observation) -> Witnesses:
    """Put the three counts of the run side by side."""
    return Witnesses(
        locust_requests=seen.counts.requests,
        locust_failures=seen.counts.failures,
        proxy=counter_deltas.proxy_witness(seen.before, seen.after, seen.run_id),
        upstream=counter_deltas.upstream_witness(seen.after, seen.run_id),
        proxy_connections=counter_deltas.proxy_connections(seen.before, seen.after),
        upstream_connections=counter_deltas.upstream_connections(seen.before, seen.after),
    )


def settings_at_ends(seen: Observation) -> SettingsAtEnds:
    """Return the settings in force in the four parts, at the beginning and at the end."""
    return SettingsAtEnds(
        start=part_settings(seen.before, seen.load_settings), end=part_settings(seen.after, seen.load_settings)
    )


def part_settings(snapshot: Snapshot, load: Mapping[str, Any]) -> PartSettings:
    """Return the settings as the parts reported them."""
    return PartSettings(
        load=dict(load),
        proxy=_settings(snapshot.proxy_config),
        network=_settings(snapshot.network_config),
        upstream=_upstream(snapshot),
    )


def versions(*snapshots: Snapshot) -> dict[str, dict[str, str] | None]:
    """Return the versions of Python and libraries in each part, from the first snapshot in which it answered."""
    found: dict[str, dict[str, str] | None] = {
        "load": {"python": platform.python_version(), "locust": version("locust")}
    }
    for part in ("proxy", "network", "upstream"):
        answers = [getattr(snapshot, f"{part}_config") for snapshot in snapshots]
        reported = next((answer.get("versions") for answer in answers if answer is not None), None)
        found[part] = {k: str(v) for k, v in reported.items()} if isinstance(reported, dict) else None
    return found


def network(config: Answer | None) -> dict[str, Any] | None:
    """Return what the link says of the network it makes; None if it did not answer."""
    if config is None:
        return None
    return {
        "says": network_words(config),
        **{key: config[key] for key in NETWORK_KEYS if key in config},
    }


def rate(count: int, seconds: float) -> float:
    """Return events per second, 0 over no time."""
    return round(count / seconds, 3) if seconds > 0 else 0.0


def _upstream(snapshot: Snapshot) -> dict[str, Any] | None:
    """Return the mock's settings with the faults that are in force: they can be changed while it runs."""
    settings = _settings(snapshot.upstream_config)
    rules = (snapshot.upstream_faults or {}).get("rules")
    if settings is None or not isinstance(rules, list):
        return settings
    return settings | {"UPSTREAM_FAULT": "; ".join(str(rule) for rule in rules) or None}


def _settings(config: Answer | None) -> dict[str, Any] | None:
    settings = None if config is None else config.get("settings")
    return dict(settings) if isinstance(settings, dict) else None
