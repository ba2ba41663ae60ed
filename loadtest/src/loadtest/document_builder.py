"""Builds the run document from what was observed. Pure: no clock, no network, no disk.

Its figures are of the steady part of the run, from the last user's start to the stop. A run too short to have one is
taken whole, from the first request sent to the last answer received. Witnesses and audit are always of the whole run.
"""

import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Literal

from lab.account.window import Window
from lab.audit import audit
from lab.calling_pattern import calling_pattern
from lab.emulation import EmulatorStats, Network
from lab.objective import parse_objective
from lab.pool_figures import Pool
from lab.prediction.from_settings import ReportedSettings
from lab.prediction_outcome import with_outcome
from lab.run_document import Generator, PartSettings, RunDocument, SeriesPoint, SettingsAtEnds, Totals
from lab.verdict.judge import judge
from lab.wire.proxy import LedgerEntry, ProxyConfig
from lab.wire.service import ServiceConfig, VariableValues
from lab.witnesses import Witnesses
from lab.wording import network_of
from loadtest import counter_deltas as deltas
from loadtest.account_builder import attribution_of, failures_of
from loadtest.emulator_stats import counted_in_all, link_stats, mock_stats
from loadtest.locust_stats import Counts
from loadtest.options import derived
from loadtest.process_deltas import closings_of, host_of, workers_of
from loadtest.service_snapshots import Snapshot
from loadtest.span import Moment, Span, span


@dataclass(frozen=True)
class Observation:
    """All that was seen of one run: `window_seconds` is its whole length, snapshots are from before and after it.

    `spawned` and `stopped` are the moments at which its last user started, and at which its users were to stop.
    """

    run_id: str
    mode: Literal["ui", "headless"]
    status: Literal["finished", "interrupted", "reset"]
    started_at: datetime
    window_seconds: float
    users: int
    load_settings: VariableValues
    counts: Counts
    before: Snapshot
    after: Snapshot
    generator: Generator
    spawned: Moment | None = None
    stopped: Moment | None = None
    ledger_entries: Sequence[LedgerEntry] | None = None
    ledger_dropped: int = 0
    label: str = ""
    group: str = ""
    series: Sequence[SeriesPoint] = field(default_factory=list)


def document(seen: Observation) -> RunDocument:
    """Build the run document: counts, differences of counters, audit, verdict, and what was to be expected."""
    measured = _measured(seen)
    if (objective := parse_objective(str(seen.load_settings.get("LAB_OBJECTIVE") or ""))) is not None:
        measured = measured.model_copy(update={"objective": objective.outcome(measured.objective_figures)})
    settings = reported_settings(seen.before, seen.load_settings)
    measured = measured.model_copy(update={"verdict": judge(measured, settings)})
    return measured.model_copy(update={"prediction": settings and with_outcome(settings, measured)})


def reported_settings(snapshot: Snapshot, load: VariableValues) -> ReportedSettings | None:
    """Return what a prediction is made from; None if a service did not report its settings."""
    proxy, link, mock = snapshot.proxy_config, snapshot.network_config, snapshot.upstream_config
    if proxy is None or link is None or mock is None:
        return None
    return ReportedSettings(load, proxy.settings, link.configured, mock.settings, mock.latency)


def _measured(seen: Observation) -> RunDocument:
    part, witnesses, pattern = _span(seen), _witnesses(seen), calling_pattern(seen.load_settings.get("LAB_PATTERN"))
    before, after, counts, seconds = part.before, part.after, part.counts, part.seconds
    generator = seen.generator.model_copy(update={"cpu_cores": part.generator_cpu_cores})
    cores = deltas.cpu_cores(before, after, generator.cpu_cores)
    ledger, slowest = deltas.ledger_of(seen.ledger_entries or [], seen.ledger_dropped, seen.run_id)
    return RunDocument(
        id=seen.run_id,
        label=seen.label,
        group=seen.group,
        mode=seen.mode,
        processes=generator.processes,
        status=seen.status,
        started_at=seen.started_at,
        stopped_at=seen.started_at + timedelta(seconds=seen.window_seconds),
        window_seconds=round(seconds, 3),
        users=seen.users,
        settings=_settings_at_ends(seen),
        pattern=pattern,
        versions=_versions(seen.after, seen.before),
        tuning=proxy.tuning if (proxy := _proxy_config(seen)) else [],
        python=proxy.python if proxy else None,
        window=part.window,
        whole=_totals(seen.counts, seen.window_seconds, witnesses.proxy.retried if witnesses.proxy else None),
        totals=_totals(counts, seconds, deltas.retries(before, after)),
        latency_ms=counts.latency(),
        first_byte_ms=counts.first_byte(),
        errors=dict(sorted(seen.counts.errors.items(), key=lambda error: -error[1])),
        failures=failures_of(seen.counts.errors, seen.before, seen.after, witnesses),
        attribution=attribution_of(part, witnesses, bounded=pattern is None or pattern.bounded),
        phases_ms=deltas.phases_of(before, after, slowest),
        ledger=ledger if seen.ledger_entries is not None else None,
        pool=_pool(seen, part),
        closings=closings_of(part),
        host=host_of(part),
        cpu_cores=cores,
        witnesses=witnesses,
        audit=audit(witnesses),
        generator=generator,
        network=_network(seen),
        link=_link(seen, part, cores["link"]),
        upstream=_mock(seen, part, cores["upstream"]),
        series=[each.model_copy(update={"part": part.window.part(each.t_seconds)}) for each in seen.series],
        notes=list(dict.fromkeys([*seen.before.notes.values(), *seen.after.notes.values()])),
    )


def _span(seen: Observation) -> Span:
    """Return the part of the run that its figures are of."""
    window = Window(begin_seconds=0.0, end_seconds=seen.window_seconds, steady=False)
    whole = Span(window, seen.before, seen.after, seen.counts, seen.generator.cpu_cores)
    return span(whole, seen.spawned, seen.stopped)


def _pool(seen: Observation, part: Span) -> Pool | None:
    pool = deltas.pool_of(part.before, part.after, part.seconds)
    if pool is None:
        return None
    open_at_end = part.after.pool.total if part.after.pool else None
    return pool.model_copy(
        update={"workers": workers_of(part), "active_are": _active_are(seen), "open_at_end": open_at_end}
    )


def _link(seen: Observation, part: Span, cpu_cores: float | None) -> EmulatorStats | None:
    return counted_in_all(link_stats(part.before, part.after, cpu_cores), link_stats(seen.before, seen.after, None))


def _mock(seen: Observation, part: Span, cpu_cores: float | None) -> EmulatorStats | None:
    return counted_in_all(mock_stats(part.before, part.after, cpu_cores), mock_stats(seen.before, seen.after, None))


def _proxy_config(seen: Observation) -> ProxyConfig | None:
    return seen.before.proxy_config or seen.after.proxy_config


def _network(seen: Observation) -> Network | None:
    config = seen.before.network_config or seen.after.network_config
    return network_of(config) if config else None


def _settings_at_ends(seen: Observation) -> SettingsAtEnds:
    load, config = seen.load_settings, seen.before.proxy_config
    return SettingsAtEnds(
        start=part_settings(seen.before, load),
        end=part_settings(seen.after, load),
        derived=[*derived(load), *(config.derived if config else [])],
    )


def _active_are(seen: Observation) -> Literal["connections", "requests"]:
    config = _proxy_config(seen)
    proxy = config.settings if config else {}
    multiplexed = bool(proxy.get("PROXY_HTTP2")) and str(proxy.get("PROXY_UPSTREAM_URL", "")).startswith("https:")
    pattern = calling_pattern(seen.load_settings.get("LAB_PATTERN"))
    unbounded = pattern is not None and not pattern.bounded
    return "requests" if multiplexed or unbounded else "connections"


def _totals(counts: Counts, seconds: float, retries: int | None) -> Totals:
    rps = _rate(counts.requests, seconds)
    return Totals(requests=counts.requests, failures=counts.failures, rps=rps, retries=retries)


def part_settings(snapshot: Snapshot, load: VariableValues) -> PartSettings:
    """Return the settings as the services reported them.

    The mock's faults are the rules in force, because they can be changed while it runs.
    """
    proxy, network, upstream = (
        None if config is None else config.settings
        for config in (snapshot.proxy_config, snapshot.network_config, snapshot.upstream_config)
    )
    if upstream is not None and snapshot.upstream_faults is not None:
        upstream = upstream | {"UPSTREAM_FAULT": "; ".join(snapshot.upstream_faults.rules) or None}
    return PartSettings(load=load, proxy=proxy, network=network, upstream=upstream)


def _witnesses(seen: Observation) -> Witnesses:
    before, after = seen.before, seen.after
    return Witnesses(
        locust_requests=seen.counts.requests,
        locust_failures=seen.counts.failures,
        proxy=deltas.proxy_witness(before, after, seen.run_id),
        upstream=deltas.upstream_witness(after, seen.run_id),
        proxy_connections=deltas.proxy_connections(before, after),
        upstream_connections=deltas.upstream_connections(before, after),
    )


def _versions(*snapshots: Snapshot) -> dict[str, dict[str, str] | None]:
    """Return the versions of Python and libraries in each service, from the first snapshot in which it answered."""
    load = {"python": platform.python_version(), "locust": version("locust")}
    configs: dict[str, list[ServiceConfig | None]] = {
        "proxy": [snapshot.proxy_config for snapshot in snapshots],
        "network": [snapshot.network_config for snapshot in snapshots],
        "upstream": [snapshot.upstream_config for snapshot in snapshots],
    }
    found = {name: next((each for each in answers if each), None) for name, answers in configs.items()}
    return {"load": load} | {name: (config.versions or None) if config else None for name, config in found.items()}


def _rate(count: int, seconds: float) -> float:
    return round(count / seconds, 3) if seconds > 0 else 0.0
