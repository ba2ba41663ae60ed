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
from lab.objective import parse_objective
from lab.prediction.from_settings import ReportedSettings
from lab.prediction_outcome import with_outcome
from lab.run_document import Generator, PartSettings, RunDocument, SeriesPoint, SettingsAtEnds, Totals
from lab.verdict.judge import judge
from lab.wire import LedgerEntry, ServiceConfig, Settings
from lab.witnesses import Witnesses
from lab.wording import network_of
from loadtest import counter_deltas as deltas
from loadtest.account_builder import attribution_of, failures_of
from loadtest.emulator_stats import counted_in_all, link_stats, mock_stats
from loadtest.locust_stats import Counts
from loadtest.patterns import calling_pattern
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
    load_settings: Settings
    counts: Counts
    before: Snapshot
    after: Snapshot
    generator: Generator
    spawned: Moment | None = None
    stopped: Moment | None = None
    ledger_entries: Sequence[LedgerEntry] | None = None
    ledger_dropped: int = 0
    label: str = ""
    series: Sequence[SeriesPoint] = field(default_factory=list)


def document(seen: Observation) -> RunDocument:
    """Build the run document: counts, differences of counters, audit, verdict, and what was to be expected."""
    measured = _measured(seen)
    if (objective := parse_objective(str(seen.load_settings.get("LAB_OBJECTIVE") or ""))) is not None:
        measured = measured.model_copy(update={"objective": objective.outcome(measured.objective_figures)})
    settings = reported_settings(seen.before, seen.load_settings)
    measured = measured.model_copy(update={"verdict": judge(measured, settings)})
    return measured.model_copy(update={"prediction": settings and with_outcome(settings, measured)})


def reported_settings(snapshot: Snapshot, load: Settings) -> ReportedSettings | None:
    """Return what a prediction is made from; None if a service did not report its settings."""
    proxy, link, mock = snapshot.proxy_config, snapshot.network_config, snapshot.upstream_config
    if proxy is None or link is None or mock is None:
        return None
    return ReportedSettings(load, proxy.settings, link.configured, mock.settings, mock.latency)


def _measured(seen: Observation) -> RunDocument:
    part = _span(seen)
    before, after, counts, seconds = part.before, part.after, part.counts, part.seconds
    witnesses = _witnesses(seen)
    totals = _totals(counts, seconds, deltas.retries(before, after))
    generator = seen.generator.model_copy(update={"achieved_rps": totals.rps, "cpu_cores": part.generator_cpu_cores})
    pool = deltas.pool_of(before, after, seconds)
    if pool is not None:
        more = {"workers": workers_of(part), "active_are": _active_are(seen), "open_at_end": _open_at_end(after)}
        pool = pool.model_copy(update=more)
    cores = deltas.cpu_cores(before, after, generator.cpu_cores)
    link = counted_in_all(link_stats(before, after, cores["link"]), link_stats(seen.before, seen.after, None))
    mock = counted_in_all(mock_stats(before, after, cores["upstream"]), mock_stats(seen.before, seen.after, None))
    ledger, slowest = deltas.ledger_of(seen.ledger_entries or [], seen.ledger_dropped, seen.run_id)
    phases = deltas.phases_of(before, after, slowest)
    config = seen.before.network_config or seen.after.network_config
    proxy = seen.before.proxy_config or seen.after.proxy_config
    pattern = calling_pattern(seen.load_settings.get("LAB_PATTERN"))
    return RunDocument(
        id=seen.run_id,
        label=seen.label,
        mode=seen.mode,
        processes=generator.processes,
        status=seen.status,
        started_at=seen.started_at,
        stopped_at=seen.started_at + timedelta(seconds=seen.window_seconds),
        window_seconds=round(seconds, 3),
        users=seen.users,
        settings=SettingsAtEnds(
            start=part_settings(seen.before, seen.load_settings), end=part_settings(seen.after, seen.load_settings)
        ),
        pattern=pattern,
        versions=_versions(seen.after, seen.before),
        tuning=proxy.tuning if proxy else [],
        python=proxy.python if proxy else None,
        window=part.window,
        whole=_totals(seen.counts, seen.window_seconds, witnesses.proxy.retried if witnesses.proxy else None),
        totals=totals,
        latency_ms=counts.latency(),
        first_byte_ms=counts.first_byte(),
        errors=dict(sorted(seen.counts.errors.items(), key=lambda error: -error[1])),
        failures=failures_of(seen.counts.errors, seen.before, seen.after, witnesses),
        attribution=attribution_of(part, witnesses, bounded=pattern is None or pattern.bounded),
        phases_ms=phases,
        ledger=ledger if seen.ledger_entries is not None else None,
        pool=pool,
        closings=closings_of(part),
        host=host_of(part),
        cpu_cores=cores,
        witnesses=witnesses,
        audit=audit(witnesses),
        generator=generator,
        network=network_of(config) if config else None,
        link=link,
        upstream=mock,
        series=[each.model_copy(update={"part": part.window.part(each.t_seconds)}) for each in seen.series],
        notes=list(dict.fromkeys([*seen.before.notes.values(), *seen.after.notes.values()])),
    )


def _span(seen: Observation) -> Span:
    """Return the part of the run that its figures are of."""
    window = Window(begin_seconds=0.0, end_seconds=seen.window_seconds, steady=False)
    whole = Span(window, seen.before, seen.after, seen.counts, seen.generator.cpu_cores)
    return span(whole, seen.spawned, seen.stopped)


def _active_are(seen: Observation) -> Literal["connections", "requests"]:
    config = seen.before.proxy_config or seen.after.proxy_config
    proxy = config.settings if config else {}
    multiplexed = bool(proxy.get("PROXY_HTTP2")) and str(proxy.get("PROXY_UPSTREAM_URL", "")).startswith("https:")
    pattern = calling_pattern(seen.load_settings.get("LAB_PATTERN"))
    unbounded = pattern is not None and not pattern.bounded
    return "requests" if multiplexed or unbounded else "connections"


def _open_at_end(after: Snapshot) -> int | None:
    return after.pool.total if after.pool else None


def _totals(counts: Counts, seconds: float, retries: int | None) -> Totals:
    rps = _rate(counts.requests, seconds)
    return Totals(requests=counts.requests, failures=counts.failures, rps=rps, retries=retries)


def part_settings(snapshot: Snapshot, load: Settings) -> PartSettings:
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
